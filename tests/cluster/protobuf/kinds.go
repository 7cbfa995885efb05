package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	appsv1beta1 "k8s.io/api/apps/v1beta1"
	appsv1beta2 "k8s.io/api/apps/v1beta2"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// A message is what each of our types is to protobuf. (Time, Quantity and FieldsV1 write theirs by
// hand; all others are generated.)
type message interface {
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}

var messageType = reflect.TypeFor[message]()

type kind struct {
	apiVersion string
	name       string
	goType     reflect.Type
}

var scheme = makeScheme()

func makeScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientscheme.AddToScheme, apiextensionsv1.AddToScheme, apiregistrationv1.AddToScheme, metav1.AddMetaToScheme,
	} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	return scheme
}

// isList says whether it is a list of objects: a client takes it apart before it decodes.
func isList(t reflect.Type) bool {
	_, hasItems := t.FieldByName("Items")
	meta, hasMeta := t.FieldByName("ListMeta")
	return hasItems && hasMeta && meta.Type == reflect.TypeFor[metav1.ListMeta]()
}

// requests hold other objects, and are never read.
var requests = []string{"AdmissionReview", "ConversionReview", "Eviction"}

// isWanted leaves out what is only ever part of a request or for webhooks, and what has no protobuf.
func isWanted(t reflect.Type) bool {
	if !reflect.PointerTo(t).Implements(messageType) || isList(t) {
		return false
	}
	if t.PkgPath() == reflect.TypeFor[metav1.Status]().PkgPath() {
		return t == reflect.TypeFor[metav1.Status]() || t == reflect.TypeFor[metav1.PartialObjectMetadata]()
	}
	return !strings.HasSuffix(t.Name(), "Options") && !slices.Contains(requests, t.Name())
}

// kinds are the kinds of the table, in its order.
func kinds() []kind {
	var found []kind
	for gvk, t := range scheme.AllKnownTypes() {
		if gvk.Version != runtime.APIVersionInternal && isWanted(t) {
			found = append(found, kind{gvk.GroupVersion().String(), gvk.Kind, t})
		}
	}
	sort.Slice(found, func(i, j int) bool {
		a, b := found[i], found[j]
		return a.apiVersion < b.apiVersion || a.apiVersion == b.apiVersion && a.name < b.name
	})
	return found
}

// typeMeta names the apiVersion and kind that the API server writes into an object within another.
// Protobuf does not carry them: its conversion adds them, so as before Kubernetes 1.17
// (k8s.io/kubernetes/pkg/apis/apps/v1/conversion.go).
var typeMeta = map[string]metav1.TypeMeta{
	"k8s.io/api/apps/v1.StatefulSetSpec.VolumeClaimTemplates":      {APIVersion: "v1", Kind: "PersistentVolumeClaim"},
	"k8s.io/api/apps/v1beta1.StatefulSetSpec.VolumeClaimTemplates": {APIVersion: "v1", Kind: "PersistentVolumeClaim"},
	"k8s.io/api/apps/v1beta2.StatefulSetSpec.VolumeClaimTemplates": {APIVersion: "v1", Kind: "PersistentVolumeClaim"},
}

// addTypeMeta does so to an object.
func addTypeMeta(object runtime.Object) {
	var claims []corev1.PersistentVolumeClaim
	switch set := object.(type) {
	case *appsv1.StatefulSet:
		claims = set.Spec.VolumeClaimTemplates
	case *appsv1beta1.StatefulSet:
		claims = set.Spec.VolumeClaimTemplates
	case *appsv1beta2.StatefulSet:
		claims = set.Spec.VolumeClaimTemplates
	}
	for i := range claims {
		claims[i].TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"}
	}
}

var prefix = []byte("k8s\x00")

// toProtobuf is what is stored.
func toProtobuf(object runtime.Object) ([]byte, error) {
	var out bytes.Buffer
	if err := protobuf.NewSerializer(scheme, scheme).Encode(object, &out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// toJSON is what is answered for what is stored.
func toJSON(stored []byte) ([]byte, error) {
	if !bytes.HasPrefix(stored, prefix) {
		return nil, fmt.Errorf("no protobuf of Kubernetes")
	}
	var unknown runtime.Unknown
	if err := unknown.Unmarshal(stored[len(prefix):]); err != nil {
		return nil, err
	}
	gv, err := schema.ParseGroupVersion(unknown.APIVersion)
	if err != nil {
		return nil, err
	}
	object, err := scheme.New(gv.WithKind(unknown.Kind))
	if err != nil {
		return nil, err
	}
	if err := object.(message).Unmarshal(unknown.Raw); err != nil {
		return nil, err
	}
	object.GetObjectKind().SetGroupVersionKind(gv.WithKind(unknown.Kind))
	addTypeMeta(object)
	return json.Marshal(object)
}

// fromJSON is what is stored for what a client sends.
func fromJSON(text []byte) ([]byte, error) {
	var meta metav1.TypeMeta
	if err := json.Unmarshal(text, &meta); err != nil {
		return nil, err
	}
	object, err := scheme.New(meta.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, object); err != nil {
		return nil, err
	}
	return toProtobuf(object)
}
