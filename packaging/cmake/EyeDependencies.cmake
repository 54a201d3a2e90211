# Libraries from the distribution, as imported (SYSTEM) targets.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
if(EYE_STATIC)
    set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
endif()
pkg_check_modules(LIBBPF REQUIRED IMPORTED_TARGET libbpf>=1.0)
pkg_check_modules(LIBELF REQUIRED IMPORTED_TARGET libelf)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
find_program(PROTOC_C protoc-c REQUIRED)
# Opened by the exporters that need them (exporters/engine/shared_library.h): their headers are enough.
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(GNUTLS REQUIRED IMPORTED_TARGET gnutls)
pkg_check_modules(NCURSES REQUIRED ncursesw) # by `sockeye top`
pkg_check_modules(PCAP REQUIRED libpcap) # by `sockeye replay`
if(NOT EYE_STATIC) # by `sockeye inspect`; ships no .pc file, and a name with its version
    find_path(ZYDIS_INCLUDE Zydis/Zydis.h REQUIRED)
    file(STRINGS ${ZYDIS_INCLUDE}/Zydis/Zydis.h ZYDIS_VERSION REGEX "define ZYDIS_VERSION ")
    string(REGEX REPLACE ".*0x000([0-9])000([0-9]).*" "\\1.\\2" ZYDIS_VERSION "${ZYDIS_VERSION}")
endif()
find_path(SNAPPY_INCLUDE snappy-c.h REQUIRED) # ships no .pc file
if(EYE_STATIC)
    include(EyeStatic)
endif()
if(EYE_TESTS)
    pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()
