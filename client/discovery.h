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
#define DISCOVERY_ACCEPT                                                                           \
	"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"                    \
	"application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"               \
	"application/json"

struct discovery;

/* A group version that the plain form still wants the resources of. */
struct discovery_version {
	char *group; /* "" is the core group */
	char *version;
	GPtrArray *resources; /* of struct resource * */
};

gboolean discovery_is_aggregated(const char *content_type);

struct discovery *discovery_create(void);
void discovery_free(struct discovery *discovery); /* NULL is fine */

/*
 * An APIGroupDiscoveryList, all there is below /api or /apis. Group versions marked stale become
 * partial failures. -EPROTO when it is something else.
 */
int discovery_add_aggregated(
	struct discovery *discovery, const char *json, size_t length, GError **error);
/* An APIVersions (/api) or an APIGroupList (/apis): each group version is wanted then. */
int discovery_add_groups(
	struct discovery *discovery, const char *json, size_t length, GError **error);

/* The next group version whose resources were not asked for yet, borrowed; NULL when none is left.
 */
struct discovery_version *discovery_next_wanted(struct discovery *discovery);
/* An APIResourceList, the resources of version. */
int discovery_add_resources(struct discovery *discovery, struct discovery_version *version,
	const char *json, size_t length, GError **error);

/* Notes that what ("metrics.k8s.io/v1beta1") could not be asked, and why. Text from strangers. */
void discovery_add_failure(struct discovery *discovery, const char *what, const char *why);
/* "apps/v1", "v1"; allocated. */
char *discovery_version_name(const struct discovery_version *version);

/*
 * Ends with the catalog: of each group the preferred version's resources, and those of its other
 * versions that the preferred one lacks (as kubectl api-resources shows them).
 */
struct source_catalog *discovery_finish(struct discovery *discovery);
