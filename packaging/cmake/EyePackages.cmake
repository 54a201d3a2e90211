# Packages, by CPack: `packaging/dev package`. Debian's has the program that is linked with Debian's
# libraries, the others the static one (generator.cmake).
set(CPACK_PACKAGE_NAME sockeye)
set(CPACK_PACKAGE_CONTACT "The sockeye authors <sockeye@users.noreply.example>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "network metrics of a host, seen from the kernel by eBPF")
# The configuration stands in /etc, outside of the prefix.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_CURRENT_SOURCE_DIR}/cmake/generator.cmake)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_SOURCE_DIR}/cmake/strip.cmake)

set(EYE_DESCRIPTION
"sockeye watches every TCP and UDP socket of a Linux host, recognises the
protocols above them, and pushes what it sees as metrics to Datadog, StatsD,
Graphite, Prometheus, OTLP receivers, files or the console. Programs that are
watched need not be changed or started again.")
set(CPACK_VERBATIM_VARIABLES ON)

set(EYE_DEBIAN ${CMAKE_CURRENT_SOURCE_DIR}/debian)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "${EYE_DESCRIPTION}")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Beside what is linked. The configuration as it comes has an exporter that opens libmicrohttpd; the
# postinst makes a user, for which a minimal system has no program: the first one here is what such a
# system gets, and it is no service manager.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libmicrohttpd12, libgnutls30, systemd-standalone-sysusers | systemd | systemd-sysusers")
# Opened by exporters that push over HTTP or TLS, and by `sockeye top`, `replay` and `inspect` (eye_shared_library_open()).
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libcurl4, libncursesw6, libpcap0.8, libzydis${ZYDIS_VERSION}, libsnappy1v5, ca-certificates")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${EYE_DEBIAN}/postinst ${EYE_DEBIAN}/prerm ${EYE_DEBIAN}/postrm ${EYE_DEBIAN}/conffiles)

set(EYE_RPM ${CMAKE_CURRENT_SOURCE_DIR}/rpm)
set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_PACKAGE_RELEASE 1)
set(CPACK_RPM_PACKAGE_LICENSE Apache-2.0)
set(CPACK_RPM_PACKAGE_GROUP System/Monitoring)
set(CPACK_RPM_PACKAGE_SUMMARY "Network metrics of a host, seen from the kernel by eBPF")
set(CPACK_RPM_PACKAGE_DESCRIPTION "${EYE_DESCRIPTION}")
set(CPACK_RPM_PACKAGE_RELOCATABLE OFF)
# The program asks for nothing; only its unit and its user do.
set(CPACK_RPM_PACKAGE_AUTOREQ OFF)
set(CPACK_RPM_PACKAGE_REQUIRES_POST systemd)
set(CPACK_RPM_PACKAGE_REQUIRES_PREUN systemd)
set(CPACK_RPM_PACKAGE_REQUIRES_POSTUN systemd)
set(CPACK_RPM_POST_INSTALL_SCRIPT_FILE ${EYE_RPM}/post)
set(CPACK_RPM_PRE_UNINSTALL_SCRIPT_FILE ${EYE_RPM}/preun)
set(CPACK_RPM_POST_UNINSTALL_SCRIPT_FILE ${EYE_RPM}/postun)
set(CPACK_RPM_USER_FILELIST
    "%config(noreplace) /etc/sockeye/sockeye.yaml"
    "%license /usr/share/licenses/sockeye/LICENSE")
# Folders of the system's own.
set(CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION
    /etc /usr/sbin /usr/lib/systemd /usr/lib/systemd/system /usr/lib/sysusers.d /usr/share/bash-completion
    /usr/share/bash-completion/completions /usr/share/fish /usr/share/fish/vendor_completions.d
    /usr/share/licenses /usr/share/zsh /usr/share/zsh/site-functions /usr/share/man
    /usr/share/man/man5 /usr/share/man/man8)
# What rpmbuild would write of the time, of this host, and of programs that debuggers look for.
set(CPACK_RPM_SPEC_MORE_DEFINE
"%define use_source_date_epoch_as_buildtime 1
%define clamp_mtime_to_source_date_epoch 1
%define _buildhost reproducible
%define packager ${CPACK_PACKAGE_CONTACT}
%define _build_id_links none")

include(CPack)
