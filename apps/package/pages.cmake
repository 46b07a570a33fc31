# Manual pages and the completion of bash, out of the tables of options that the program is built
# with. Included, it says how they are made and installed; run as a script, it makes them:
#   cmake -DSCRY=program -DTO=folder -P pages.cmake
if(CMAKE_SCRIPT_MODE_FILE)
    file(REMOVE_RECURSE ${TO})
    file(MAKE_DIRECTORY ${TO}/completions)
    execute_process(COMMAND ${SCRY} --pages ${TO} COMMAND_ERROR_IS_FATAL ANY)
    file(READ ${TO}/tables.bash tables)
    file(READ ${CMAKE_CURRENT_LIST_DIR}/completion.bash functions)
    file(WRITE ${TO}/completions/scry "${tables}${functions}")
    return()
endif()

# Another machine's program says nothing here.
if(TARGET scry AND NOT (CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR))
    set(SCRY_PAGES ${CMAKE_CURRENT_BINARY_DIR}/pages)
    add_custom_command(
        OUTPUT ${SCRY_PAGES}/completions/scry
        COMMAND ${CMAKE_COMMAND} "-DSCRY=${CMAKE_CROSSCOMPILING_EMULATOR};$<TARGET_FILE:scry>"
                -DTO=${SCRY_PAGES} -P ${CMAKE_CURRENT_LIST_FILE}
        DEPENDS scry ${CMAKE_CURRENT_LIST_FILE} ${CMAKE_CURRENT_LIST_DIR}/completion.bash VERBATIM)
    add_custom_target(scry_pages ALL DEPENDS ${SCRY_PAGES}/completions/scry)
    install(DIRECTORY ${SCRY_PAGES}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR})
    install(FILES ${SCRY_PAGES}/completions/scry
            DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
endif()
