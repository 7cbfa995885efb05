#include "cache/manifest_copy.h"

#include <string.h>

#define ACCESS_VOLUME "kube-api-access-"

/* What to remove where. */
struct rule {
	const char *group; /* NULL: whatever the resource */
	const char *kind;
	/* Members from the root on; "[]" behind the last one: each item of that list. */
	const char *path;
	const char *member; /* its name, or with a '*' at its end what names begin with */
	bool (*applies)(const struct document_node *root); /* NULL: always */
};

static bool is_text(const struct document_node *node, const char *text)
{
	return node != NULL && node->type == DOCUMENT_STRING && node->length == strlen(text) &&
	       memcmp(node->text, text, node->length) == 0;
}

static bool has_prefix(const char *text, size_t length, const char *prefix)
{
	return length >= strlen(prefix) && memcmp(text, prefix, strlen(prefix)) == 0;
}

/* A headless service asks for having no address. */
static bool has_address(const struct document_node *root)
{
	const struct document_node *spec = document_get(root, "spec");
	const struct document_node *addresses = document_get(spec, "clusterIPs");

	return !is_text(document_get(spec, "clusterIP"), "None") &&
	       !(addresses != NULL && addresses->type == DOCUMENT_ARRAY &&
		       is_text(addresses->first, "None"));
}

static bool has_made_selector(const struct document_node *root)
{
	const struct document_node *manual =
		document_get(document_get(root, "spec"), "manualSelector");

	return manual == NULL || manual->type != DOCUMENT_TRUE;
}

static bool is_token(const struct document_node *root)
{
	return is_text(document_get(root, "type"), "kubernetes.io/service-account-token");
}

#define LABELS "metadata.labels"
#define TEMPLATE_LABELS "spec.template.metadata.labels"
#define ANNOTATIONS "metadata.annotations"

static const struct rule rules[] = {
	{NULL, NULL, "", "status", NULL},
	{NULL, NULL, "metadata", "uid", NULL},
	{NULL, NULL, "metadata", "resourceVersion", NULL},
	{NULL, NULL, "metadata", "creationTimestamp", NULL},
	{NULL, NULL, "metadata", "generation", NULL},
	{NULL, NULL, "metadata", "selfLink", NULL},
	{NULL, NULL, "metadata", "managedFields", NULL},
	{NULL, NULL, "metadata", "deletionTimestamp", NULL},
	{NULL, NULL, "metadata", "deletionGracePeriodSeconds", NULL},
	{NULL, NULL, "metadata", "generateName", NULL},
	{NULL, NULL, "metadata", "ownerReferences", NULL},
	{NULL, NULL, "metadata", "finalizers", NULL},
	{NULL, NULL, ANNOTATIONS, "kubectl.kubernetes.io/last-applied-configuration", NULL},

	{"apps", "Deployment", ANNOTATIONS, "deployment.kubernetes.io/*", NULL},
	{"apps", "ReplicaSet", ANNOTATIONS, "deployment.kubernetes.io/*", NULL},

	{"batch", "Job", "spec", "selector", has_made_selector},
	{"batch", "Job", LABELS, "controller-uid", has_made_selector},
	{"batch", "Job", LABELS, "batch.kubernetes.io/controller-uid", has_made_selector},
	{"batch", "Job", LABELS, "job-name", has_made_selector},
	{"batch", "Job", LABELS, "batch.kubernetes.io/job-name", has_made_selector},
	{"batch", "Job", TEMPLATE_LABELS, "controller-uid", has_made_selector},
	{"batch", "Job", TEMPLATE_LABELS, "batch.kubernetes.io/controller-uid", has_made_selector},
	{"batch", "Job", TEMPLATE_LABELS, "job-name", has_made_selector},
	{"batch", "Job", TEMPLATE_LABELS, "batch.kubernetes.io/job-name", has_made_selector},

	{"", "PersistentVolume", "spec.claimRef", "uid", NULL},
	{"", "PersistentVolume", "spec.claimRef", "resourceVersion", NULL},
	{"", "PersistentVolume", ANNOTATIONS, "pv.kubernetes.io/bound-by-controller", NULL},

	{"", "PersistentVolumeClaim", "spec", "volumeName", NULL},
	{"", "PersistentVolumeClaim", ANNOTATIONS, "pv.kubernetes.io/*", NULL},
	{"", "PersistentVolumeClaim", ANNOTATIONS, "volume.kubernetes.io/selected-node", NULL},
	{"", "PersistentVolumeClaim", ANNOTATIONS, "volume.kubernetes.io/storage-provisioner",
		NULL},
	{"", "PersistentVolumeClaim", ANNOTATIONS, "volume.beta.kubernetes.io/storage-provisioner",
		NULL},
	{"", "PersistentVolumeClaim", ANNOTATIONS, "volume.kubernetes.io/storage-resizer", NULL},

	{"", "Pod", "spec", "nodeName", NULL},
	{"", "Pod", "spec", "ephemeralContainers", NULL},
	/* The Priority admission refuses values that are not the class's, here and now. */
	{"", "Pod", "spec", "priority", NULL},
	{"", "Pod", "spec", "preemptionPolicy", NULL},
	{"", "Pod", LABELS, "pod-template-hash", NULL},
	{"", "Pod", LABELS, "pod-template-generation", NULL},
	{"", "Pod", LABELS, "controller-revision-hash", NULL},
	{"", "Pod", LABELS, "statefulset.kubernetes.io/pod-name", NULL},
	{"", "Pod", LABELS, "apps.kubernetes.io/pod-index", NULL},
	{"", "Pod", LABELS, "controller-uid", NULL},
	{"", "Pod", LABELS, "batch.kubernetes.io/controller-uid", NULL},
	{"", "Pod", LABELS, "job-name", NULL},
	{"", "Pod", LABELS, "batch.kubernetes.io/job-name", NULL},
	/* The server refuses a mirror pod that is on no node. */
	{"", "Pod", ANNOTATIONS, "kubernetes.io/config.*", NULL},

	{"", "Secret", ANNOTATIONS, "kubernetes.io/service-account.uid", is_token},
	{"", "Secret", LABELS, "kubernetes.io/legacy-token-*", is_token},
	{"", "Secret", "data", "token", is_token},
	{"", "Secret", "data", "ca.crt", is_token},
	{"", "Secret", "data", "namespace", is_token},

	{"", "Service", "spec", "clusterIP", has_address},
	{"", "Service", "spec", "clusterIPs", has_address},
	{"", "Service", "spec", "healthCheckNodePort", NULL},
	{"", "Service", "spec.ports[]", "nodePort", NULL},
};

static bool is_of(const struct resource *resource, const char *group, const char *kind)
{
	return strcmp(resource->group, group) == 0 && strcmp(resource->kind, kind) == 0;
}

static bool matches(const struct document_node *member, const char *pattern)
{
	size_t length = strlen(pattern);

	if (pattern[length - 1] != '*')
		return member->key_length == length && memcmp(member->key, pattern, length) == 0;
	return member->key_length >= length - 1 && memcmp(member->key, pattern, length - 1) == 0;
}

static void remove_members(struct document_node *object, const char *pattern)
{
	struct document_node **link;

	if (object == NULL || object->type != DOCUMENT_OBJECT)
		return;
	link = &object->first;
	while (*link != NULL) {
		if (matches(*link, pattern)) {
			*link = (*link)->next;
			object->length--;
		} else {
			link = &(*link)->next;
		}
	}
}

static void apply(const struct rule *rule, struct document_node *root)
{
	struct document_node *node = root;
	const char *path = rule->path;

	while (*path != '\0' && node != NULL) {
		size_t length = strcspn(path, ".[");

		node = document_get_length(node, path, length);
		path += length;
		if (*path == '[')
			break;
		path += *path == '.';
	}
	if (*path != '[') {
		remove_members(node, rule->member);
		return;
	}
	if (node == NULL || node->type != DOCUMENT_ARRAY)
		return;
	for (struct document_node *item = node->first; item != NULL; item = item->next)
		remove_members(item, rule->member);
}

/* Removes the items that data says TRUE for from the list that is object's member. */
static void filter(struct document_node *object, const char *member,
	bool (*unwanted)(const struct document_node *item, void *data), void *data)
{
	struct document_node *list = document_get(object, member);
	struct document_node **link;

	if (list == NULL || list->type != DOCUMENT_ARRAY)
		return;
	link = &list->first;
	while (*link != NULL) {
		if (unwanted(*link, data)) {
			*link = (*link)->next;
			list->length--;
		} else {
			link = &(*link)->next;
		}
	}
}

/* The item's name, or NULL: it has none or one that no object can have. Free with g_free. */
static char *copy_name(const struct document_node *item)
{
	const char *text;
	size_t length;

	if (!document_get_string(item, "name", &text, &length) ||
		memchr(text, '\0', length) != NULL)
		return NULL;
	return g_strndup(text, length);
}

static int compare_names(const void *a, const void *b, void *data)
{
	return strcmp(a, b);
}

/* What the ServiceAccount admission added; notes the name in the tree. */
static bool is_access_volume(const struct document_node *volume, void *names)
{
	g_autofree char *name = copy_name(volume);

	if (name == NULL || !g_str_has_prefix(name, ACCESS_VOLUME) ||
		document_get(volume, "projected") == NULL)
		return false;
	g_tree_insert(names, g_steal_pointer(&name), NULL);
	return true;
}

static bool is_mount_of(const struct document_node *mount, void *names)
{
	g_autofree char *name = copy_name(mount);

	return name != NULL && g_tree_lookup_extended(names, name, NULL, NULL);
}

static void strip_mounts(struct document_node *spec, const char *member, GTree *names)
{
	struct document_node *containers = document_get(spec, member);

	if (containers == NULL || containers->type != DOCUMENT_ARRAY)
		return;
	for (struct document_node *container = containers->first; container != NULL;
		container = container->next)
		filter(container, "volumeMounts", is_mount_of, names);
}

static void strip_pod(struct document_node *root)
{
	struct document_node *spec = document_get(root, "spec");
	/* A tree, since names may be chosen to collide. */
	GTree *names = g_tree_new_full(compare_names, NULL, g_free, NULL);

	filter(spec, "volumes", is_access_volume, names);
	strip_mounts(spec, "initContainers", names);
	strip_mounts(spec, "containers", names);
	g_tree_unref(names);
}

/*
 * The token controller of servers before 1.24 called them NAME-token-xxxxx, OpenShift's calls its
 * own NAME-dockercfg-xxxxx. Others the user has listed.
 */
static bool is_made_secret(const struct document_node *item, void *account)
{
	g_autofree char *name = copy_name(item);
	size_t length = strlen(account);

	return name != NULL && length > 0 && has_prefix(name, strlen(name), account) &&
	       (g_str_has_prefix(name + length, "-token-") ||
		       g_str_has_prefix(name + length, "-dockercfg-"));
}

static void strip_service_account(struct document_node *root)
{
	g_autofree char *account = copy_name(document_get(root, "metadata"));

	if (account != NULL)
		filter(root, "secrets", is_made_secret, account);
}

void manifest_strip(const struct resource *resource, struct document_node *root)
{
	for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
		const struct rule *rule = &rules[i];

		if (rule->group != NULL && !is_of(resource, rule->group, rule->kind))
			continue;
		if (rule->applies == NULL || rule->applies(root))
			apply(rule, root);
	}
	if (is_of(resource, "", "Pod"))
		strip_pod(root);
	if (is_of(resource, "", "ServiceAccount"))
		strip_service_account(root);
}
