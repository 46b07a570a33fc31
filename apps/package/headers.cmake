# The headers of the installed library, file in the tree:name under include/scry. A header is
# installed up to its SCRY_END: the rest is for the tree alone. All that they declare before is
# exported from libscry.so and nothing else is; headers included there are in this list too.
set(SCRY_PUBLIC_HEADERS
    lib/api.h lib/status.h lib/space.h lib/memory.h lib/threads.h lib/instructions.h lib/rng.h
    lib/stats/metrics.h lib/stats/noise.h lib/stats/noise_spectrum.h lib/stats/noise_identify.h
    lib/stats/fission.h lib/io/kspace/kspace.h
    operators/op.h operators/callbacks.h:op_callbacks.h operators/blur.h operators/window.h operators/psf.h operators/mask.h
    operators/fourier.h operators/nufft.h operators/sensitivity.h operators/compose.h operators/identity.h
    operators/real_part.h
    operators/dense.h operators/likelihood.h operators/psf_width.h
    priors/prior.h priors/callbacks.h:prior_callbacks.h priors/network/unet.h priors/gaussian.h priors/mixture.h priors/tv.h
    priors/wavelet.h priors/tiled.h priors/padded.h priors/perplane.h priors/slices.h priors/complex.h:complex_prior.h
    datasets/phantom.h datasets/camera.h datasets/scanner.h datasets/sampling.h
    solvers/options.h solvers/solver.h solvers/registry.h solvers/callbacks.h:solver_callbacks.h
    solvers/chains.h
    apps/recon/log.h apps/recon/prior_lookup.h apps/recon/start.h:start_point.h
    apps/recon/output_maps.h apps/recon/diagnosis.h
    apps/recon/image/image.h apps/recon/image/psf_source.h:psf_request.h
    apps/recon/image/noise.h:noise_request.h apps/recon/image/known.h:defect_choice.h
    apps/recon/image/filling.h apps/recon/image/judgement.h apps/recon/image/improvement.h apps/recon/image/restore.h
    apps/recon/mri/scan.h apps/recon/mri/reconstruct.h)

# Copies in build/include/scry that include each other as <scry/name.h>, and scry.h for all of them.
set(SCRY_INCLUDE ${CMAKE_CURRENT_BINARY_DIR}/include)
set(SCRY_INSTALLED_HEADERS)
set(names)
list(JOIN SCRY_PUBLIC_HEADERS "," commas)
foreach(entry ${SCRY_PUBLIC_HEADERS})
    string(REGEX REPLACE ":.*" "" file ${entry})
    string(REGEX REPLACE ".*[:/]" "" name ${entry})
    if(name IN_LIST names)
        message(FATAL_ERROR "two headers are installed as scry/${name}")
    endif()
    list(APPEND names ${name})
    add_custom_command(
        OUTPUT ${SCRY_INCLUDE}/scry/${name}
        COMMAND ${CMAKE_COMMAND} -DHEADERS=${commas} -DFROM=${file}
                -DTO=${SCRY_INCLUDE}/scry/${name} -P ${CMAKE_CURRENT_LIST_DIR}/public_header.cmake
        DEPENDS ${PROJECT_SOURCE_DIR}/${file} ${CMAKE_CURRENT_LIST_DIR}/public_header.cmake
                ${CMAKE_CURRENT_LIST_FILE}
        WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} VERBATIM)
    list(APPEND SCRY_INSTALLED_HEADERS ${SCRY_INCLUDE}/scry/${name})
endforeach()
set(all "#ifndef SCRY_SCRY_H\n#define SCRY_SCRY_H\n\n/* All of scry ${PROJECT_VERSION}. */\n\n")
foreach(name ${names})
    string(APPEND all "#include <scry/${name}>\n")
endforeach()
string(APPEND all "\n#endif\n")
file(CONFIGURE OUTPUT ${SCRY_INCLUDE}/scry/scry.h CONTENT "${all}" @ONLY)
list(APPEND SCRY_INSTALLED_HEADERS ${SCRY_INCLUDE}/scry/scry.h)
add_custom_target(scry_headers ALL DEPENDS ${SCRY_INSTALLED_HEADERS})
