/* cache/manifest_copy.h: what a copy does not take along, and what it does. */
#include "cache/manifest_copy.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/json_write.h"
#include "cache/manifest.h"
#include "cache/yaml_read.h"
#include "tests/unit/cache_fixture.h"

#define LIMIT (1UL << 26)

static char *to_json(struct document *document, const struct document_node *root)
{
	struct buffer buffer BUFFER_CLEANUP;

	buffer_init(&buffer, LIMIT);
	ck_assert_int_eq(json_write(document, root, JSON_COMPACT, &buffer, NULL), 0);
	return g_strndup(buffer.data, buffer.length);
}

static struct document_node *parse(struct document *document, const char *yaml)
{
	struct document_node *root = NULL;
	g_autoptr(GError) error = NULL;

	ck_assert_msg(yaml_read(document, yaml, strlen(yaml), YAML_READ_STRICT, &root, &error) == 0,
		"%s: %s", yaml, error != NULL ? error->message : "no message");
	return root;
}

/* The object of that kind, given as YAML, becomes what is given as YAML. */
static void expect(const char *group, const char *kind, const char *yaml, const char *wanted)
{
	const struct resource resource = {.group = (char *)group, .kind = (char *)kind};
	struct document *document DOCUMENT_CLEANUP = document_create(0, LIMIT);
	struct document_node *root = parse(document, yaml);
	g_autofree char *wanted_json = to_json(document, parse(document, wanted));

	for (int i = 0; i < 2; i++) {
		g_autofree char *json = NULL;

		manifest_strip(&resource, root);
		json = to_json(document, root);
		ck_assert_str_eq(json, wanted_json);
	}
}

static void keep(const char *group, const char *kind, const char *yaml)
{
	expect(group, kind, yaml, yaml);
}

START_TEST (any_kind) {
	static const char text[] =
		"metadata: {uid: a, resourceVersion: b, creationTimestamp: c, generation: 1, "
		"selfLink: d, managedFields: [{}], deletionTimestamp: e, "
		"deletionGracePeriodSeconds: 3, generateName: f, ownerReferences: [{controller: "
		"true}], finalizers: [g], name: n, namespace: m, labels: {uid: a, job-name: b, "
		"pod-template-hash: c}, annotations: {uid: a, deployment.kubernetes.io/revision: "
		"1, "
		"pv.kubernetes.io/bind-completed: x, kubernetes.io/config.hash: h, "
		"kubectl.kubernetes.io/last-applied-configuration: '{}'}}\n"
		"status: {x: 1}\n"
		"spec: {uid: a, status: 1, finalizers: [kubernetes], clusterIP: 1.2.3.4, selector: "
		"{}, volumeName: v, nodeName: n}\n"
		"data: {status: x}\n";
	static const char wanted[] =
		"metadata: {name: n, namespace: m, labels: {uid: a, job-name: b, "
		"pod-template-hash: c}, annotations: {uid: a, deployment.kubernetes.io/revision: "
		"1, "
		"pv.kubernetes.io/bind-completed: x, kubernetes.io/config.hash: h}}\n"
		"spec: {uid: a, status: 1, finalizers: [kubernetes], clusterIP: 1.2.3.4, selector: "
		"{}, volumeName: v, nodeName: n}\n"
		"data: {status: x}\n";

	expect("", "ConfigMap", text, wanted);
	/* Rules are for a kind of one group. */
	expect("example.com", "Service", text, wanted);
	expect("example.com", "Pod", text, wanted);
	expect("", "Job", text, wanted);
}
END_TEST

START_TEST (odd_shapes) {
	static const char *const kinds[] = {"Pod", "Service", "Secret", "ServiceAccount",
		"PersistentVolume", "PersistentVolumeClaim"};
	static const char *const texts[] = {"{}", "[]", "a", "1", "null", "metadata: []",
		"{metadata: a, spec: b, data: c, secrets: d}",
		"{metadata: 1, spec: [1], data: [], secrets: {}, type: [a]}",
		("{metadata: {labels: 1, annotations: [a]}, spec: {claimRef: 1, ports: {}, "
		 "containers: a, volumes: {name: kube-api-access-a, projected: 1}}}"),
		("{metadata: {name: [a]}, secrets: [1, a, [], {}, {name: 1}, {name: \"\\0\"}], "
		 "spec: "
		 "{ports: [1, a, [nodePort]], volumes: [1, a, [], {name: 1}, {name: "
		 "kube-api-access-a}, {projected: 1}], initContainers: [a, 1, {volumeMounts: a}], "
		 "containers: [{volumeMounts: [1, a, {name: []}]}]}}")};

	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		for (size_t j = 0; j < G_N_ELEMENTS(texts); j++)
			keep("", kinds[i], texts[j]);
	}
}
END_TEST

START_TEST (services) {
	expect("", "Service",
		"spec: {clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 'fd00::1'], type: "
		"LoadBalancer, healthCheckNodePort: 31000, ports: [{port: 80, nodePort: 30000, "
		"targetPort: http}, {port: 81}, {nodePort: 1}], ipFamilies: [IPv4], "
		"loadBalancerIP: 192.0.2.1, externalIPs: [192.0.2.2]}",
		"spec: {type: LoadBalancer, ports: [{port: 80, targetPort: http}, {port: 81}, {}], "
		"ipFamilies: [IPv4], loadBalancerIP: 192.0.2.1, externalIPs: [192.0.2.2]}");
	keep("", "Service", "spec: {clusterIP: None, clusterIPs: [None], ports: [{port: 80}]}");
	keep("", "Service", "spec: {clusterIP: None}");
	keep("", "Service", "spec: {clusterIPs: [None]}");
	expect("", "Service", "spec: {clusterIP: '', clusterIPs: []}", "spec: {}");
	keep("", "Service", "spec: {type: ExternalName, externalName: a.example}");
}
END_TEST

#define JOB_LABELS                                                                                 \
	"controller-uid: u, batch.kubernetes.io/controller-uid: u, job-name: j, "                  \
	"batch.kubernetes.io/job-name: j"

START_TEST (jobs) {
	static const char manual[] =
		"{metadata: {labels: {" JOB_LABELS "}}, spec: {manualSelector: "
		"true, selector: {matchLabels: {a: b}}, template: "
		"{metadata: {labels: {a: b, " JOB_LABELS "}}}}}";

	expect("batch", "Job",
		"{metadata: {labels: {app: x, " JOB_LABELS "}}, spec: {selector: {matchLabels: {"
		"batch.kubernetes.io/controller-uid: u}}, manualSelector: false, template: "
		"{metadata: {labels: {app: x, " JOB_LABELS "}, annotations: {job-name: j}}, "
		"spec: {selector: 1}}}}",
		"{metadata: {labels: {app: x}}, spec: {manualSelector: false, template: {metadata: "
		"{labels: {app: x}, annotations: {job-name: j}}, spec: {selector: 1}}}}");
	expect("batch", "Job", "spec: {selector: {}, template: {metadata: {labels: null}}}",
		"spec: {template: {metadata: {labels: null}}}");
	keep("batch", "Job", manual);
	keep("batch", "CronJob", "spec: {jobTemplate: {spec: {selector: 1}}, selector: 1}");
	keep("apps", "Deployment", "spec: {selector: {matchLabels: {job-name: a}}}");
}
END_TEST

START_TEST (claims) {
	expect("", "PersistentVolumeClaim",
		"metadata: {annotations: {pv.kubernetes.io/bind-completed: 'yes', "
		"pv.kubernetes.io/bound-by-controller: 'yes', "
		"volume.kubernetes.io/selected-node: n, volume.kubernetes.io/storage-provisioner: "
		"p, volume.beta.kubernetes.io/storage-provisioner: p, "
		"volume.kubernetes.io/storage-resizer: p, "
		"volume.beta.kubernetes.io/storage-class: fast, pv.example/a: b}}\n"
		"spec: {volumeName: pvc-1, storageClassName: fast, volumeMode: Block}",
		"metadata: {annotations: {volume.beta.kubernetes.io/storage-class: fast, "
		"pv.example/a: b}}\n"
		"spec: {storageClassName: fast, volumeMode: Block}");
}
END_TEST

START_TEST (volumes) {
	expect("", "PersistentVolume",
		"metadata: {annotations: {pv.kubernetes.io/bound-by-controller: 'yes', "
		"pv.kubernetes.io/provisioned-by: csi.example}}\n"
		"spec: {claimRef: {namespace: a, name: b, uid: c, resourceVersion: d}, hostPath: "
		"{path: /x}}",
		"metadata: {annotations: {pv.kubernetes.io/provisioned-by: csi.example}}\n"
		"spec: {claimRef: {namespace: a, name: b}, hostPath: {path: /x}}");
}
END_TEST

#define TOKEN_MOUNT "{name: kube-api-access-x1y2z, mountPath: /var/run/secrets}"
#define OTHER_MOUNTS "{name: data, mountPath: /data}, {name: kube-api-access-mine, mountPath: /m}"
#define OTHER_VOLUMES "{name: data, emptyDir: {}}, {name: kube-api-access-mine, emptyDir: {}}"

START_TEST (pods) {
	expect("", "Pod",
		"{metadata: {labels: {app: x, pod-template-hash: a, pod-template-generation: '1', "
		"controller-revision-hash: b, statefulset.kubernetes.io/pod-name: web-0, "
		"apps.kubernetes.io/pod-index: '0', " JOB_LABELS "}, annotations: {"
		"kubernetes.io/config.mirror: a, kubernetes.io/config.hash: b, "
		"kubernetes.io/config.seen: c, kubernetes.io/config.source: file, "
		"kubernetes.io/limit-ranger: x}}, spec: {nodeName: n, nodeSelector: {a: b}, "
		"priority: 0, preemptionPolicy: PreemptLowerPriority, priorityClassName: high, "
		"serviceAccountName: default, volumes: [" OTHER_VOLUMES
		", {name: kube-api-access-x1y2z, projected: {}}, {name: p, projected: {}}], "
		"containers: [{name: a, volumeMounts: [" TOKEN_MOUNT ", " OTHER_MOUNTS
		"]}, {name: b, volumeMounts: [" TOKEN_MOUNT
		"]}, {name: c}], initContainers: [{name: d, volumeMounts: [" TOKEN_MOUNT
		", {name: p}]}], ephemeralContainers: [{name: debug, volumeMounts: [" TOKEN_MOUNT
		"]}]}}",
		"{metadata: {labels: {app: x}, annotations: {kubernetes.io/limit-ranger: x}}, "
		"spec: "
		"{nodeSelector: {a: b}, priorityClassName: high, serviceAccountName: default, "
		"volumes: [" OTHER_VOLUMES
		", {name: p, projected: {}}], containers: [{name: a, volumeMounts: [" OTHER_MOUNTS
		"]}, {name: b, volumeMounts: []}, {name: c}], initContainers: [{name: d, "
		"volumeMounts: [{name: p}]}]}}");
	/* Templates of pods are the user's. */
	keep("apps", "Deployment",
		"spec: {template: {metadata: {labels: {pod-template-hash: a}}, spec: {nodeName: n, "
		"volumes: [{name: kube-api-access-a, projected: {}}], priority: 1}}}");
}
END_TEST

START_TEST (deployments) {
	expect("apps", "Deployment",
		"metadata: {annotations: {deployment.kubernetes.io/revision: '3', a: b}}",
		"metadata: {annotations: {a: b}}");
	expect("apps", "ReplicaSet",
		"metadata: {annotations: {deployment.kubernetes.io/revision: '3', "
		"deployment.kubernetes.io/desired-replicas: '3'}, labels: {pod-template-hash: a}}",
		"metadata: {annotations: {}, labels: {pod-template-hash: a}}");
}
END_TEST

START_TEST (service_accounts) {
	expect("", "ServiceAccount",
		"{metadata: {name: web}, secrets: [{name: web-token-abcde}, {name: "
		"web-dockercfg-abcde}, {name: mine}, {name: web-token}, {name: "
		"other-token-abcde}], imagePullSecrets: [{name: registry}]}",
		"{metadata: {name: web}, secrets: [{name: mine}, {name: web-token}, {name: "
		"other-token-abcde}], imagePullSecrets: [{name: registry}]}");
	keep("", "ServiceAccount", "{metadata: {}, secrets: [{name: -token-a}]}");
}
END_TEST

START_TEST (secrets) {
	static const char text[] =
		"{type: %s, metadata: {labels: {kubernetes.io/legacy-token-last-used: d, a: b}, "
		"annotations: {kubernetes.io/service-account.uid: u, "
		"kubernetes.io/service-account.name: web}}, data: {token: dA==, ca.crt: Yw==, "
		"namespace: bg==, mine: bQ==}}";
	g_autofree char *token = g_strdup_printf(text, "kubernetes.io/service-account-token");
	g_autofree char *opaque = g_strdup_printf(text, "Opaque");

	expect("", "Secret", token,
		"{type: kubernetes.io/service-account-token, metadata: {labels: {a: b}, "
		"annotations: {kubernetes.io/service-account.name: web}}, data: {mine: bQ==}}");
	keep("", "Secret", opaque);
}
END_TEST

/* Every kind of the sample cluster, as a server would show it. */

static void set_text(
	struct document *document, struct document_node *object, const char *key, const char *value)
{
	document_set(object, key, document_new_string(document, value, strlen(value)));
}

static char *copy_text(const struct document_node *object, const char *key)
{
	const char *text = "";
	size_t length = 0;

	document_get_string(object, key, &text, &length);
	return g_strndup(text, length);
}

static struct resource resource_of(const struct document_node *root)
{
	g_autofree char *type = copy_text(root, "apiVersion");
	const char *slash = strchr(type, '/');

	return (struct resource){
		.group = slash != NULL ? g_strndup(type, (gsize)(slash - type)) : g_strdup(""),
		.version = g_strdup(slash != NULL ? slash + 1 : type),
		.kind = copy_text(root, "kind"),
		.name = (char *)"things",
		.has_status = TRUE,
	};
}

static void check_stripped(const struct document_node *root)
{
	const struct document_node *metadata = document_get(root, "metadata");

	ck_assert_ptr_null(document_get(metadata, "uid"));
	ck_assert_ptr_null(document_get(metadata, "resourceVersion"));
	ck_assert_ptr_null(document_get(metadata, "creationTimestamp"));
	ck_assert_ptr_null(document_get(root, "status"));
}

static void check_text(const char *text, size_t length, struct manifest_place *place,
	const struct document_node *sent)
{
	struct manifest *edit MANIFEST_CLEANUP = NULL;
	struct manifest *copy MANIFEST_CLEANUP = NULL;
	struct manifest *other_copy MANIFEST_CLEANUP = NULL;

	ck_assert_int_eq(manifest_read(text, length, place, &edit, NULL), 0);
	ck_assert_int_eq(edit->origin, MANIFEST_EDIT);
	ck_assert(document_equal(edit->root, sent));
	place->uid = "";
	ck_assert_int_eq(manifest_read(text, length, place, &copy, NULL), 0);
	place->uid = "u-2";
	place->name = "other";
	ck_assert_int_eq(manifest_read(text, length, place, &other_copy, NULL), 0);
	ck_assert_int_eq(copy->origin, MANIFEST_COPY);
	ck_assert_int_eq(other_copy->origin, MANIFEST_COPY);
	check_stripped(copy->root);
	check_stripped(other_copy->root);
}

static void check_sample_object(struct document *document, struct document_node *root)
{
	struct resource resource = resource_of(root);
	struct document_node *metadata = document_get(root, "metadata");
	g_autofree char *namespace = copy_text(metadata, "namespace");
	g_autofree char *name = copy_text(metadata, "name");
	const struct manifest_place place = {
		.resource = &resource, .namespace = namespace, .name = name, .uid = "u-1"};
	struct manifest_place yaml_place = place, json_place = place;
	g_autofree char *json = NULL;
	g_autoptr(GBytes) shown = NULL;
	struct snapshot *snapshot;

	set_text(document, metadata, "uid", "u-1");
	set_text(document, metadata, "resourceVersion", "7");
	set_text(document, metadata, "creationTimestamp", "2024-01-01T00:00:00Z");
	document_set(root, "status", document_new(document, DOCUMENT_OBJECT));
	json = to_json(document, root);
	snapshot = fixture_snapshot_of(json);
	ck_assert_int_eq(snapshot_json(snapshot, &shown, NULL), 0);
	json_place.json = TRUE;
	check_text(snapshot->yaml, snapshot->yaml_length, &yaml_place, root);
	check_text(g_bytes_get_data(shown, NULL), g_bytes_get_size(shown), &json_place, root);
	snapshot_unref(snapshot);
	g_free(resource.group);
	g_free(resource.version);
	g_free(resource.kind);
}

static unsigned int check_sample_file(const char *path)
{
	g_autofree char *text = NULL;
	g_auto(GStrv) parts = NULL;
	unsigned int count = 0;

	ck_assert(g_file_get_contents(path, &text, NULL, NULL));
	parts = g_strsplit(text, "\n---\n", -1);
	for (; parts[count] != NULL; count++) {
		struct document *document DOCUMENT_CLEANUP = document_create(0, LIMIT);

		check_sample_object(document, parse(document, parts[count]));
	}
	return count;
}

START_TEST (every_kind_of_the_sample_cluster) {
	g_autoptr(GDir) directory = g_dir_open(SAMPLE, 0, NULL);
	unsigned int count = 0;
	const char *name;

	ck_assert_ptr_nonnull(directory);
	while ((name = g_dir_read_name(directory)) != NULL) {
		g_autofree char *path = g_build_filename(SAMPLE, name, NULL);

		count += check_sample_file(path);
	}
	ck_assert_uint_gt(count, 40);
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, any_kind);
	tcase_add_test(tcase, odd_shapes);
	tcase_add_test(tcase, services);
	tcase_add_test(tcase, jobs);
	tcase_add_test(tcase, claims);
	tcase_add_test(tcase, volumes);
	tcase_add_test(tcase, pods);
	tcase_add_test(tcase, deployments);
	tcase_add_test(tcase, service_accounts);
	tcase_add_test(tcase, secrets);
	tcase_add_test(tcase, every_kind_of_the_sample_cluster);
}

int main(void)
{
	return fixture_run("manifest_copy", add_tests);
}
