# shellcheck shell=bash disable=SC2034,SC2154 # they share their variables
# SPDX-License-Identifier: Apache-2.0
# What packaging/image/Dockerfile copies into an image that is empty otherwise.

# Leaves build/image: root/, and own/, which is the user's.
build_image() {
    local image=build/image
    build_static
    need ca-certificates
    rm -rf "$image"
    (
        umask 022
        mkdir -p "$image"/{root/etc/sockeye/conf.d,own/run/sockeye,own/var/lib}
        install -D -m 755 build/static/sockeye "$image/root/usr/sbin/sockeye"
        install -m 644 packaging/image/{passwd,group} "$image/root/etc"
        install -m 644 packaging/image/sockeye.yaml "$image/root/etc/sockeye"
        install -D -m 644 LICENSE "$image/root/usr/share/licenses/sockeye/LICENSE"
        # Where it is looked for first (exporters/http/authorities.h).
        install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$image/root/etc/ssl/certs/ca-certificates.crt"
        mkdir -m 700 "$image/own/var/lib/sockeye"
    )
}
