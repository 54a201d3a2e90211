# Packages, by CPack: `packaging/dev package`.
set(CPACK_PACKAGE_NAME sockeye)
set(CPACK_PACKAGE_CONTACT "The sockeye authors <sockeye@users.noreply.example>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "network metrics of a host, seen from the kernel by eBPF")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_SOURCE_DIR}/cmake/strip.cmake)
set(CPACK_VERBATIM_VARIABLES ON)

set(EYE_DEBIAN ${CMAKE_CURRENT_SOURCE_DIR}/debian)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"sockeye watches every TCP socket of a Linux host, recognises the protocols
above them, and pushes what it sees as metrics to Datadog, StatsD, Graphite,
Prometheus, OTLP receivers, files or the console. Programs that are watched
need not be changed or started again.")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Beside what is linked. The configuration as it comes has an exporter that opens libmicrohttpd; the
# postinst makes a user, for which a minimal system has no program.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libmicrohttpd12, libgnutls30, systemd | systemd-standalone-sysusers | systemd-sysusers")
# Opened by exporters that push over HTTP or TLS, and by `sockeye top` (eye_shared_library_open()).
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libcurl4, libncursesw6, libsnappy1v5, ca-certificates")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${EYE_DEBIAN}/postinst ${EYE_DEBIAN}/prerm ${EYE_DEBIAN}/postrm ${EYE_DEBIAN}/conffiles)

include(CPack)
