/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of packets, pcap or pcapng, read in order by libpcap. Belongs to one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "collector/base/error.h"

/* Of a packet that is too short for what stands before the network's header. */
#define EYE_LINK_CUT SIZE_MAX

/* What stands before the network's header. */
struct eye_link {
    int type;         /* DLT_ of libpcap */
    const char *name; /* as libpcap and tcpdump have it */
    /** How many bytes stand before the network's header, whose kind is @ret_ethertype; or
     * EYE_LINK_CUT. */
    size_t (*read)(const uint8_t *bytes, size_t size, uint16_t *ret_ethertype);
};

/* One packet; its bytes are good until the next one is read. */
struct eye_frame {
    uint64_t time_ns; /* since 1970 */
    const uint8_t *bytes;
    size_t captured; /* of its bytes */
    size_t size;     /* that it had on the wire */
};

struct eye_capture;

/** What messages call @path, of which "-" is standard input. */
const char *eye_capture_name(const char *path);

/**
 * Opens @path, or standard input as "-". @stop_fd: a signalfd, readable when the reading is to end,
 * or -1. 0 with a capture, which is the caller's; or -errno with a message: it cannot be opened, is
 * no capture, or has a link type that is not known.
 */
int eye_capture_open(const char *path, int stop_fd, struct eye_capture **ret_capture,
                     struct eye_error *ret_error);

/** The same of @file, which is closed with the capture, or at once on failure; @path names it. */
int eye_capture_read(FILE *file, const char *path, struct eye_capture **ret_capture,
                     struct eye_error *ret_error);

/** Takes NULL. */
void eye_capture_close(struct eye_capture *capture);

const struct eye_link *eye_capture_link(const struct eye_capture *capture);

/** How much of the file was read, 0 .. 1; below 0: nobody knows how long it is. */
double eye_capture_progress(const struct eye_capture *capture);

/** The next packet: 1; 0: it was the last one; or -errno with a message: the file is cut or damaged
 * here, why, and what to do about it. */
int eye_capture_next(struct eye_capture *capture, struct eye_frame *ret_frame,
                     struct eye_error *ret_error);
