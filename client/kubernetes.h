/*
 * The Kubernetes API as a source (client/source.h): discovery, list, watch and get over
 * client/http.h. protocol.md 1 to 17.
 */
#pragma once

#include "client/http.h"
#include "client/source.h"

/* Takes over http. The source's calls may be made from any thread. */
struct source *kubernetes_source_create(struct http_client *http);
