/*
 * metav1.Status as protobuf: how a server that was asked for protobuf says that a request failed.
 */
#pragma once

#include <cjson/cJSON.h>

#include "client/protobuf_envelope.h"

/*
 * What the JSON of the same Status says, as far as anybody reads it: reason, message, code, and of
 * details the causes and retryAfterSeconds. bytes: an envelope. NULL when it holds no Status or is
 * malformed; else free with cJSON_Delete. Any thread.
 */
cJSON *protobuf_status_parse(const char *bytes, size_t length);
