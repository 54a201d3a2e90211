/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked, and what is answered. Main thread. */
#pragma once

#include "collector/control/control.h"

/** An eye_server_answer of the control socket; @context: struct eye_control. */
void eye_control_answer(void *context, struct MHD_Connection *connection, const char *path,
                        const char *method, struct eye_reply *ret_reply);
