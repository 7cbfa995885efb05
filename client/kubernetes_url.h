/* The paths of the Kubernetes API: /api/v1/..., /apis/GROUP/VERSION/namespaces/NAMESPACE/... */
#pragma once

#include <glib.h>

#include "client/source.h"

/* For scopes of which the metadata will do; a server that cannot cut the rest sends it all. */
#define KUBERNETES_ACCEPT_METADATA                                                                 \
	"application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
#define KUBERNETES_ACCEPT_METADATA_LIST                                                            \
	"application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"

/* Lists and watches alike; the server takes the first that it has (client-go asks so, too). */
#define KUBERNETES_ACCEPT_PROTOBUF "application/vnd.kubernetes.protobuf,application/json"

/*
 * Whether name can be one segment of a path: not empty, ".", "..", without '/', '%' and control
 * characters (apimachinery's IsValidPathSegmentName). The server splits the decoded path, so a name
 * with a slash would reach another object or a subresource.
 */
gboolean kubernetes_url_segment_valid(const char *name);

/*
 * The collection that scope means, without a query (scope->name plays no part), or the one object
 * that it names, or its subresource; allocated. NULL and ENOENT when there can be no such object: a
 * name is no segment.
 */
char *kubernetes_url_collection(const struct source_scope *scope, GError **error);
char *kubernetes_url_object(const struct source_scope *scope, GError **error);

/* "/api/v1", "/apis/apps/v1"; allocated. Both must be valid segments, group may be "". */
char *kubernetes_url_group_version(const char *group, const char *version);

/* "v1", "apps/v1": what an object's apiVersion is; allocated. */
char *kubernetes_url_api_version(const char *group, const char *version);

/* What kubernetes_url_object finds there: a scale is an object of its own. allocated; borrowed. */
char *kubernetes_url_scope_api_version(const struct source_scope *scope);
const char *kubernetes_url_scope_kind(const struct source_scope *scope);

/* Adds KEY=VALUE to url's query, escaped. */
void kubernetes_url_add(GString *url, const char *key, const char *value);
/* Adds fieldSelector=metadata.name=NAME. */
void kubernetes_url_add_name(GString *url, const char *name);
