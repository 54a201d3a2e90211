# The static build links what other builds open at run time, and what that needs: a shared object says
# so itself, an archive does not.
set(EYE_STATIC_CURL "" CACHE FILEPATH "EYE_STATIC: the archive of a small libcurl")
if(NOT EXISTS "${EYE_STATIC_CURL}")
    message(FATAL_ERROR "EYE_STATIC_CURL: there is no \"${EYE_STATIC_CURL}\". `packaging/dev build static` "
        "builds one: Debian's own archive needs libraries of which no archive exists")
endif()
pkg_check_modules(P11_KIT REQUIRED p11-kit-1) # headers: collector/static/p11_kit.c
# The end of each link line.
string(JOIN " " CMAKE_C_STANDARD_LIBRARIES
    -Wl,--start-group
    ${EYE_STATIC_CURL} -lmicrohttpd -lgnutls -lhogweed -lnettle -lgmp -ltasn1 -lidn2 -lunistring
    -lsnappy -lstdc++ -lncursesw -ltinfo -lpcap
    -lelf -lz -lzstd
    -Wl,--end-group)
