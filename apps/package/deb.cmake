# `cpack` in the build folder makes scry_VERSION_ARCHITECTURE.deb: program, libraries, headers,
# priors, manual pages and completion, under /usr. It depends on the packages of the libraries that
# were linked, which dpkg-shlibdeps finds (package dpkg-dev).
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME scry)
set(CPACK_PACKAGE_CONTACT "scry maintainers <maintainers@scry.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY
    "recover microscopy and MR images with diffusion priors")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "A model of the instrument (blur, mask, Fourier samples seen by coils) and of
its noise, and a pretrained diffusion network, are joined by posterior samplers,
which return an image and a map of the pixels not to trust. Classical methods run
through the same path. This package has the program, the C library with its
headers, and pretrained networks.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
# mpirun; and the libraries that libscry.a needs
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "openmpi-bin, pkg-config, libfftw3-dev, libgsl-dev, libtiff-dev, \
libpng-dev, zlib1g-dev, libzstd-dev, libblosc-dev, libcjson-dev, libxml2-dev, libhdf5-dev, libnifti-dev, libdnnl-dev")
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/deb_files.cmake)
set(CPACK_SCRY_COPYRIGHT ${CMAKE_CURRENT_LIST_DIR}/copyright)
include(CPack)
