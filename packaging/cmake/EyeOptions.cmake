# One INTERFACE target carries language, warnings, sanitizers and hardening for all of our code.
option(EYE_TESTS "build the tests" ON)
option(EYE_FUZZ "build the fuzzers (clang)" OFF)
option(EYE_COVERAGE "instrument for coverage" OFF)
option(EYE_WERROR "stop at warnings: for developers, whose compilers are known" OFF)
option(EYE_STATIC "one executable without any library, for every distribution: packaging/dev build static" OFF)
set(EYE_SANITIZE "" CACHE STRING "sanitizers, as after -fsanitize=")

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(eye_options INTERFACE)
target_include_directories(eye_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(eye_options INTERFACE _GNU_SOURCE EYE_VERSION="${PROJECT_VERSION}")
target_compile_options(eye_options INTERFACE
    -Wall -Wextra -Wshadow -Wformat=2 -Wundef -Wvla -Wconversion -Wsign-conversion -Wcast-qual
    -Wnull-dereference -Wstrict-prototypes -Wmissing-prototypes $<$<BOOL:${EYE_WERROR}>:-Werror>
    -fno-common -fvisibility=hidden)
# assert() guards against programming mistakes in every build type.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")

if(EYE_SANITIZE)
    target_compile_options(eye_options INTERFACE
        -fsanitize=${EYE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(eye_options INTERFACE -fsanitize=${EYE_SANITIZE})
    # gcc's flow analysis sees null paths in instrumented code that do not exist.
    target_compile_options(eye_options INTERFACE $<$<C_COMPILER_ID:GNU>:-Wno-null-dereference>)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
    target_compile_options(eye_options INTERFACE
        -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection)
    target_link_options(eye_options INTERFACE -Wl,-z,relro,-z,now)
    set(CMAKE_POSITION_INDEPENDENT_CODE ON)
    set(pie -pie)
    if(EYE_STATIC)
        set(pie -static-pie -Wl,--gc-sections)
        target_compile_definitions(eye_options INTERFACE EYE_STATIC)
        target_compile_options(eye_options INTERFACE -ffunction-sections -fdata-sections)
    endif()
    target_link_options(eye_options INTERFACE "$<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:${pie}>")
endif()
if(EYE_COVERAGE)
    target_compile_options(eye_options INTERFACE --coverage)
    target_link_options(eye_options INTERFACE --coverage)
endif()
if(EYE_FUZZ)
    target_compile_options(eye_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# eye_library(NAME SOURCES ... LINKS ...): a folder of the tree.
function(eye_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
    add_library(${name} STATIC ${ARG_SOURCES})
    target_link_libraries(${name} PUBLIC eye_options ${ARG_LINKS})
endfunction()

# eye_protobuf(NAME FILE.proto): a library of the code that protoc-c makes of a schema, without our
# warnings. Its header is included as "<folder from the root>/<file>.pb-c.h".
function(eye_protobuf name proto)
    get_filename_component(stem ${proto} NAME_WE)
    file(RELATIVE_PATH folder ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
    set(root ${CMAKE_BINARY_DIR}/protobuf)
    set(made ${root}/${folder}/${stem}.pb-c)
    file(MAKE_DIRECTORY ${root})
    add_custom_command(
        OUTPUT ${made}.c ${made}.h
        COMMAND ${PROTOC_C} --proto_path=${CMAKE_SOURCE_DIR} --c_out=${root} ${folder}/${proto}
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
        DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
        VERBATIM)
    add_library(${name} STATIC ${made}.c)
    target_include_directories(${name} SYSTEM PUBLIC ${root})
    target_link_libraries(${name} PUBLIC PkgConfig::PROTOBUF_C)
endfunction()
