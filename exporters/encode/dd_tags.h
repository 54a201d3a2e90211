/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DD_TAGS and DD_ENV of the environment, as Datadog's own programs read them: tags with commas
 * between them, or blanks where there is no comma. DD_ENV goes before an "env:..." in DD_TAGS, and
 * so do for a DogStatsD client DD_SERVICE, DD_VERSION and DD_ENTITY_ID, which exporter "dogstatsd"
 * adds itself. The configuration's tags go before all of them. Main thread at start.
 */
#pragma once

#include "exporters/encode/selection.h"

/** Adds them to the fixed tags. @client: DD_ENV and the like are added elsewhere. 0 or -ENOMEM. */
int eye_dd_tags_add(struct eye_selection *selection, bool client);
