# libFuzzer's targets (cmake -DSBX_FUZZ=ON, clang): never part of a release, nothing is installed.
if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR "SBX_FUZZ needs clang: -DCMAKE_C_COMPILER=clang")
endif()
set(fuzz_sanitizers -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
target_compile_options(sbx_flags INTERFACE -fsanitize=fuzzer-no-link ${fuzz_sanitizers})
target_link_options(sbx_flags INTERFACE ${fuzz_sanitizers})

add_custom_target(sbx_fuzz)
function(sbx_fuzz_target name)
  add_executable(fuzz_${name} EXCLUDE_FROM_ALL tests/fuzz/${name}.c tests/fuzz/fuzz.c)
  target_link_libraries(fuzz_${name} PRIVATE sbx_static sbx_flags ${SECCOMP_LINK_LIBRARIES})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  # What a target stands in for instead of the engine's own.
  foreach(function ${ARGN})
    target_link_options(fuzz_${name} PRIVATE -Wl,--wrap=${function})
  endforeach()
  set_target_properties(fuzz_${name} PROPERTIES OUTPUT_NAME ${name})
  sbx_output(fuzz_${name} fuzz)
  add_dependencies(sbx_fuzz fuzz_${name})
endfunction()

sbx_fuzz_target(plan)
sbx_fuzz_target(sandbox)
sbx_fuzz_target(view sbx_path_open sbx_mounts_read_only sbx_mount_id
  sbx_mount_is_read_only sbx_mount_clone sbx_mount_limit sbx_mount_bar sbx_mount_tame
  sbx_mount_attach sbx_mount_detach sbx_mount_seal sbx_mount_tmpfs sbx_mount_devpts sbx_landlock_ruleset
  sbx_landlock_allow mkdirat symlinkat openat)
sbx_fuzz_target(helper)
sbx_fuzz_target(request)
sbx_fuzz_target(address)
sbx_fuzz_target(filter)
sbx_fuzz_target(journal sbx_path_open)
sbx_fuzz_target(output)
sbx_fuzz_target(reports)

# Writes the message of a request whose plan is given, for the corpus.
add_executable(fuzz_seed EXCLUDE_FROM_ALL tests/fuzz/seed.c)
target_link_libraries(fuzz_seed PRIVATE sbx_static sbx_flags ${SECCOMP_LINK_LIBRARIES})
set_target_properties(fuzz_seed PROPERTIES OUTPUT_NAME seed)
sbx_output(fuzz_seed fuzz)
add_dependencies(sbx_fuzz fuzz_seed)
