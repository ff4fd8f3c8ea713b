# hone_library(NAME USES folders... [LINK libraries...]): the target of one folder under src/, all its .cpp files.
# USES is the folder's row in the table of allowed includes (scripts/check-includes reads these lines).
function(hone_library name)
  cmake_parse_arguments(ARG "" "" "USES;LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_library(hone_${name} STATIC ${sources})
  target_include_directories(hone_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  hone_compile_options(hone_${name})
  list(TRANSFORM ARG_USES PREPEND hone_)
  target_link_libraries(hone_${name} PUBLIC ${ARG_USES} PRIVATE ${ARG_LINK} fmt::fmt Threads::Threads)
endfunction()

# hone_test(NAME USES folders... [LINK libraries...]): one test program from all .cpp files of the current folder.
function(hone_test name)
  cmake_parse_arguments(ARG "" "" "USES;LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_executable(test_${name} ${sources})
  target_include_directories(test_${name} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/test)
  hone_compile_options(test_${name})
  list(TRANSFORM ARG_USES PREPEND hone_)
  target_link_libraries(test_${name} PRIVATE ${ARG_USES} ${ARG_LINK} GTest::gmock GTest::gtest GTest::gtest_main fmt::fmt
                        Threads::Threads)
  gtest_discover_tests(test_${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
endfunction()

function(hone_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wno-missing-field-initializers)
  if(HONE_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${HONE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
    target_link_options(${target} PUBLIC -fsanitize=${HONE_SANITIZE})
  endif()
endfunction()

find_program(HONE_CCACHE ccache)
if(HONE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${HONE_CCACHE})
endif()
include(GoogleTest OPTIONAL)
