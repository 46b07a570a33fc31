# Run by cpack on the files to be packed: the rules that Debian has for every package.
set(share ${CPACK_TEMPORARY_DIRECTORY}${CPACK_PACKAGING_INSTALL_PREFIX}/share)
set(doc ${share}/doc/scry)
file(MAKE_DIRECTORY ${doc})
file(COPY_FILE ${CPACK_SCRY_COPYRIGHT} ${doc}/copyright)
if(DEFINED ENV{SOURCE_DATE_EPOCH})
    set(epoch --date=@$ENV{SOURCE_DATE_EPOCH})
endif()
execute_process(COMMAND date --rfc-email --utc ${epoch} OUTPUT_VARIABLE now
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
file(WRITE ${doc}/changelog "scry (${CPACK_PACKAGE_VERSION}) unstable; urgency=medium\n\n\
  * CHANGELOG.md of the sources lists the changes.\n\n -- ${CPACK_PACKAGE_CONTACT}  ${now}\n")
file(GLOB pages ${share}/man/man?/*.[17])
execute_process(COMMAND gzip -9n ${doc}/changelog ${pages} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND chmod -R u=rwX,go=rX ${share} COMMAND_ERROR_IS_FATAL ANY)
