/*
 * Reads the three dialects of Kubernetes discovery into one catalog (client/source.h): the
 * aggregated form (apidiscovery.k8s.io/v2 and v2beta1, which are alike) and the plain one (/api,
 * /apis and one document a group version). Knows nothing of HTTP. One thread.
 */
#pragma once

#include <glib.h>
#include <stddef.h>

#include "client/source.h"

/* The Accept header of /api and /apis; the answer's Content-Type says which form came. */
#define API_DISCOVERY_ACCEPT                                                                       \
	"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"                    \
	"application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"               \
	"application/json"

struct api_discovery;

/* A group version that the plain form still wants the resources of. */
struct api_version {
	char *group; /* "" is the core group */
	char *version;
	GPtrArray *resources; /* of struct resource * */
};

gboolean api_discovery_is_aggregated(const char *content_type);

struct api_discovery *api_discovery_create(void);
void api_discovery_free(struct api_discovery *discovery); /* NULL is fine */

/*
 * An APIGroupDiscoveryList, all there is below /api or /apis. Group versions marked stale become
 * partial failures. -EPROTO when it is something else.
 */
int api_discovery_add_aggregated(
	struct api_discovery *discovery, const char *json, size_t length, GError **error);
/* An APIVersions (/api) or an APIGroupList (/apis): each group version is wanted then. */
int api_discovery_add_groups(
	struct api_discovery *discovery, const char *json, size_t length, GError **error);

/* The next group version whose resources were not asked for yet, borrowed; NULL when none is left.
 */
struct api_version *api_discovery_next_wanted(struct api_discovery *discovery);
/* An APIResourceList, the resources of version. */
int api_discovery_add_resources(struct api_discovery *discovery, struct api_version *version,
	const char *json, size_t length, GError **error);

/* Notes that what ("metrics.k8s.io/v1beta1") could not be asked, and why. Text from strangers. */
void api_discovery_add_failure(struct api_discovery *discovery, const char *what, const char *why);
/* "apps/v1", "v1"; allocated. */
char *api_discovery_version_name(const struct api_version *version);

/*
 * Ends with the catalog: of each group the preferred version's resources, and those of its other
 * versions that the preferred one lacks (as kubectl api-resources shows them).
 */
struct source_catalog *api_discovery_finish(struct api_discovery *discovery);
