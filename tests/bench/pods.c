#include "tests/bench/pods.h"

/* clang-format off */
/* In pieces; '~' stands for the name. */
static const char *const pod[] = {
	"{\"metadata\":{\"name\":\"~\",\"generateName\":\"web-gx87dlft7s-\",\"namespace\":\"team-0",
	"\",\"uid\":\"c4647159-c324-c985-9b81-0e766ec9d286\",\"resourceVersion\":\"100000\",\"g",
	"eneration\":1,\"creationTimestamp\":\"2026-11-24T14:06:31Z\",\"labels\":{\"app\":\"web",
	"\",\"pod-template-hash\":\"gx87dlft7s\",\"app.kubernetes.io/name\":\"web\",\"tier\":\"fr",
	"ont\"},\"annotations\":{\"checksum/config\":\"9755d4c13a902931cd447e35b8b6d8fe442e",
	"3d437204e52db2221a58008a05a6\",\"prometheus.io/scrape\":\"true\",\"prometheus.io/p",
	"ort\":\"8080\"},\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",",
	"\"name\":\"web-gx87dlft7s\",\"uid\":\"51431193-e6c3-f339-1a2b-8f1ff1fd42a2\",\"contro",
	"ller\":true,\"blockOwnerDeletion\":true}],\"managedFields\":[{\"manager\":\"kube-con",
	"troller-manager\",\"operation\":\"Update\",\"apiVersion\":\"v1\",\"time\":\"2026-11-24T1",
	"4:06:31Z\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:metadata\":{\"f:annotations\":",
	"{\".\":{},\"f:checksum/config\":{},\"f:prometheus.io/port\":{},\"f:prometheus.io/sc",
	"rape\":{}},\"f:generateName\":{},\"f:labels\":{\".\":{},\"f:app\":{},\"f:app.kubernete",
	"s.io/name\":{},\"f:pod-template-hash\":{},\"f:tier\":{}},\"f:ownerReferences\":{\".\"",
	":{},\"k:{\\\"uid\\\":\\\"a648a7dd-0683-9eb9-05b6-e6e307d4bedc\\\"}\":{}}},\"f:spec\":{\"f",
	":containers\":{\"k:{\\\"name\\\":\\\"app\\\"}\":{\".\":{},\"f:env\":{\".\":{},\"k:{\\\"name\\\":\\\"",
	"A\\\"}\":{\".\":{},\"f:name\":{},\"f:value\":{}}},\"f:image\":{},\"f:imagePullPolicy\":{}",
	",\"f:name\":{},\"f:ports\":{\".\":{},\"k:{\\\"containerPort\\\":8080,\\\"protocol\\\":\\\"TCP",
	"\\\"}\":{\".\":{},\"f:containerPort\":{},\"f:protocol\":{}}},\"f:resources\":{\".\":{},\"f",
	":limits\":{\".\":{},\"f:cpu\":{},\"f:memory\":{}},\"f:requests\":{\".\":{},\"f:cpu\":{},\"",
	"f:memory\":{}}},\"f:terminationMessagePath\":{},\"f:terminationMessagePolicy\":{}",
	"}},\"f:dnsPolicy\":{},\"f:enableServiceLinks\":{},\"f:restartPolicy\":{},\"f:schedu",
	"lerName\":{},\"f:securityContext\":{},\"f:terminationGracePeriodSeconds\":{}}}},{",
	"\"manager\":\"kwok\",\"operation\":\"Update\",\"apiVersion\":\"v1\",\"time\":\"2026-11-24T1",
	"4:06:31Z\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:status\":{\"f:conditions\":{\".",
	"\":{},\"k:{\\\"type\\\":\\\"Ready\\\"}\":{\".\":{},\"f:lastProbeTime\":{},\"f:lastTransition",
	"Time\":{},\"f:status\":{},\"f:type\":{}}},\"f:containerStatuses\":{},\"f:hostIP\":{},",
	"\"f:hostIPs\":{},\"f:phase\":{},\"f:podIP\":{},\"f:podIPs\":{},\"f:startTime\":{}}},\"s",
	"ubresource\":\"status\"}]},\"spec\":{\"volumes\":[{\"name\":\"kube-api-access-wbq4j\",\"",
	"projected\":{\"sources\":[{\"serviceAccountToken\":{\"expirationSeconds\":3607,\"pat",
	"h\":\"token\"}},{\"configMap\":{\"name\":\"kube-root-ca.crt\",\"items\":[{\"key\":\"ca.crt",
	"\",\"path\":\"ca.crt\"}]}},{\"downwardAPI\":{\"items\":[{\"path\":\"namespace\",\"fieldRef",
	"\":{\"apiVersion\":\"v1\",\"fieldPath\":\"metadata.namespace\"}}]}}],\"defaultMode\":42",
	"0}}],\"containers\":[{\"name\":\"app\",\"image\":\"registry.example.com/web:1.25.0\",\"",
	"args\":[\"--listen=:8080\",\"--log-level=info\"],\"ports\":[{\"name\":\"http\",\"contain",
	"erPort\":8080,\"protocol\":\"TCP\"}],\"env\":[{\"name\":\"A\",\"value\":\"yes\"},{\"name\":\"P",
	"OD_NAME\",\"valueFrom\":{\"fieldRef\":{\"apiVersion\":\"v1\",\"fieldPath\":\"metadata.na",
	"me\"}}}],\"resources\":{\"limits\":{\"cpu\":\"500m\",\"memory\":\"256Mi\"},\"requests\":{\"c",
	"pu\":\"100m\",\"memory\":\"128Mi\"}},\"volumeMounts\":[{\"name\":\"kube-api-access\",\"rea",
	"dOnly\":true,\"mountPath\":\"/var/run/secrets/kubernetes.io/serviceaccount\"}],\"l",
	"ivenessProbe\":{\"httpGet\":{\"path\":\"/healthz\",\"port\":8080,\"scheme\":\"HTTP\"},\"ti",
	"meoutSeconds\":1,\"periodSeconds\":10,\"successThreshold\":1,\"failureThreshold\":3",
	"},\"terminationMessagePath\":\"/dev/termination-log\",\"terminationMessagePolicy\"",
	":\"File\",\"imagePullPolicy\":\"IfNotPresent\"}],\"restartPolicy\":\"Always\",\"termina",
	"tionGracePeriodSeconds\":30,\"dnsPolicy\":\"ClusterFirst\",\"serviceAccountName\":\"",
	"default\",\"serviceAccount\":\"default\",\"nodeName\":\"node-0\",\"securityContext\":{}",
	",\"schedulerName\":\"default-scheduler\",\"tolerations\":[{\"key\":\"node.kubernetes.",
	"io/not-ready\",\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":3",
	"00},{\"key\":\"node.kubernetes.io/unreachable\",\"operator\":\"Exists\",\"effect\":\"No",
	"Execute\",\"tolerationSeconds\":300}],\"priority\":0,\"enableServiceLinks\":true,\"p",
	"reemptionPolicy\":\"PreemptLowerPriority\"},\"status\":{\"phase\":\"Running\",\"condit",
	"ions\":[{\"type\":\"PodReadyToStartContainers\",\"status\":\"True\",\"lastProbeTime\":n",
	"ull,\"lastTransitionTime\":\"2026-11-24T14:06:31Z\"},{\"type\":\"Initialized\",\"stat",
	"us\":\"True\",\"lastProbeTime\":null,\"lastTransitionTime\":\"2026-11-24T14:06:31Z\"}",
	",{\"type\":\"Ready\",\"status\":\"True\",\"lastProbeTime\":null,\"lastTransitionTime\":\"",
	"2026-11-24T14:06:31Z\"},{\"type\":\"ContainersReady\",\"status\":\"True\",\"lastProbeT",
	"ime\":null,\"lastTransitionTime\":\"2026-11-24T14:06:31Z\"},{\"type\":\"PodScheduled",
	"\",\"status\":\"True\",\"lastProbeTime\":null,\"lastTransitionTime\":\"2026-11-24T14:0",
	"6:31Z\"}],\"hostIP\":\"10.0.0.0\",\"hostIPs\":[{\"ip\":\"10.0.0.0\"}],\"podIP\":\"10.1.14.",
	"199\",\"podIPs\":[{\"ip\":\"10.1.14.199\"}],\"startTime\":\"2026-11-24T14:06:31Z\",\"con",
	"tainerStatuses\":[{\"name\":\"app\",\"state\":{\"running\":{\"startedAt\":\"2026-11-24T1",
	"4:06:31Z\"}},\"lastState\":{},\"ready\":true,\"restartCount\":0,\"image\":\"registry.e",
	"xample.com/web:1.25\",\"imageID\":\"registry.example.com/web@sha256:701966a0c381",
	"e88f38c0c8fd8712b8bc076f3787b9d179e06c0fd4f5f8130c42\",\"containerID\":\"contain",
	"erd://380208a9ad45f23d3b1a11df587fd2803bab6c398d88348a7eed8d14f06d3fef\",\"sta",
	"rted\":true}],\"qosClass\":\"Burstable\"}}",
};
/* clang-format on */

static void add_pod(GString *text, int number)
{
	for (size_t i = 0; i < G_N_ELEMENTS(pod); i++) {
		g_auto(GStrv) parts = g_strsplit(pod[i], "~", -1);

		for (size_t j = 0; parts[j] != NULL; j++) {
			if (j > 0)
				g_string_append_printf(text, "web-7d4b9c-%05d", number);
			g_string_append(text, parts[j]);
		}
	}
	g_string_append_c(text, '\n');
}

GString *pods_create(int count)
{
	GString *text = g_string_new(NULL);

	for (int i = 0; i < count; i++)
		add_pod(text, i);
	return text;
}
