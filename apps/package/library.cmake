# The rooms as one library: libscry.so, whose symbols are those of the installed headers, and
# libscry.a; with the files by which other builds find them.
include(apps/package/headers.cmake)

set(SCRY_OBJECTS)
foreach(room ${SCRY_ROOMS})
    list(APPEND SCRY_OBJECTS $<TARGET_OBJECTS:scry_${room}>)
    foreach(variant ${SCRY_VARIANTS})
        if(TARGET scry_${room}_${variant})
            list(APPEND SCRY_OBJECTS $<TARGET_OBJECTS:scry_${room}_${variant}>)
        endif()
    endforeach()
endforeach()

# Libraries by package where pkg-config knows them, by name where it does not: never by the path
# that they have on the machine that builds.
set(SCRY_PACKAGES FFTW GSL TIFF PNG ZLIB ZSTD BLOSC CJSON XML HDF5)
set(SCRY_PACKAGE_NAMES fftw3f gsl libtiff-4 libpng zlib libzstd blosc libcjson libxml-2.0 hdf5)
set(SCRY_LIBRARY_NAMES dnnl niftiio znz m)

add_library(scry_shared SHARED ${SCRY_OBJECTS})
add_library(scry_static STATIC ${SCRY_OBJECTS})
set_target_properties(scry_shared PROPERTIES EXPORT_NAME scry VERSION ${PROJECT_VERSION}
                      SOVERSION ${PROJECT_VERSION_MAJOR})
set_target_properties(scry_static PROPERTIES EXPORT_NAME static)
if(NOT SCRY_SANITIZE AND NOT SCRY_FUZZ) # whose runtimes come with the program
    target_link_options(scry_shared PRIVATE -Wl,--no-undefined)
endif()
foreach(library scry_shared scry_static)
    set_target_properties(${library} PROPERTIES OUTPUT_NAME scry LINKER_LANGUAGE C)
    add_dependencies(${library} scry_headers)
    target_include_directories(${library} INTERFACE $<BUILD_INTERFACE:${SCRY_INCLUDE}>
                               $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    foreach(package ${SCRY_PACKAGES})
        target_link_libraries(${library} PRIVATE PkgConfig::${package})
    endforeach()
    target_link_libraries(${library} PRIVATE OpenMP::OpenMP_C Threads::Threads
        "$<BUILD_INTERFACE:scry_flags;${DNNL_LIBRARY};${NIFTI_LIBRARY};${ZNZ_LIBRARY};m>"
        "$<INSTALL_INTERFACE:${SCRY_LIBRARY_NAMES}>")
endforeach()
add_library(scry::scry ALIAS scry_shared)
add_library(scry::static ALIAS scry_static)

install(TARGETS scry_shared EXPORT scry LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS scry_static EXPORT scry_static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${SCRY_INSTALLED_HEADERS} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/scry)
install(DIRECTORY apps/examples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples
        FILES_MATCHING PATTERN "*.c")

# find_package(scry), find_package(scry COMPONENTS static), pkg-config scry
set(SCRY_CMAKE_FOLDER ${CMAKE_INSTALL_LIBDIR}/cmake/scry)
install(EXPORT scry NAMESPACE scry:: FILE scryTargets.cmake DESTINATION ${SCRY_CMAKE_FOLDER})
install(EXPORT scry_static NAMESPACE scry:: FILE scryStaticTargets.cmake
        DESTINATION ${SCRY_CMAKE_FOLDER})
set(SCRY_FIND_PACKAGES)
foreach(package name IN ZIP_LISTS SCRY_PACKAGES SCRY_PACKAGE_NAMES)
    string(APPEND SCRY_FIND_PACKAGES
           "    pkg_check_modules(${package} REQUIRED IMPORTED_TARGET ${name})\n")
endforeach()
configure_package_config_file(apps/package/scryConfig.cmake.in scryConfig.cmake
                              INSTALL_DESTINATION ${SCRY_CMAKE_FOLDER})
write_basic_package_version_file(scryConfigVersion.cmake COMPATIBILITY SameMinorVersion)
file(RELATIVE_PATH SCRY_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
list(JOIN SCRY_PACKAGE_NAMES " " SCRY_PC_REQUIRES)
list(JOIN SCRY_LIBRARY_NAMES " -l" SCRY_PC_LIBS)
configure_file(apps/package/scry.pc.in scry.pc @ONLY)
configure_file(apps/package/scry-static.pc.in scry-static.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/scryConfig.cmake
        ${CMAKE_CURRENT_BINARY_DIR}/scryConfigVersion.cmake DESTINATION ${SCRY_CMAKE_FOLDER})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/scry.pc ${CMAKE_CURRENT_BINARY_DIR}/scry-static.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
