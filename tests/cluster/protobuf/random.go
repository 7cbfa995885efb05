package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// A filler gives the fields of an object random values, by reflection: whatever fits the type, not
// what an API server would admit.
type filler struct {
	*rand.Rand
	density float64 // how probable it is that something optional is there
	budget  int     // of values that are still to be made
}

func randomObject(apiVersion, kind string, seed uint64) ([]byte, error) {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return nil, err
	}
	object, err := scheme.New(gv.WithKind(kind))
	if err != nil {
		return nil, err
	}
	f := &filler{Rand: rand.New(rand.NewPCG(seed, 0)), budget: 2000}
	f.density = []float64{0, 0.1, 0.3, 0.5, 0.8, 1}[f.IntN(6)]
	f.fill(reflect.ValueOf(object).Elem(), 0)
	object.GetObjectKind().SetGroupVersionKind(gv.WithKind(kind))
	return toProtobuf(object)
}

func (f *filler) chance(probability float64) bool {
	return f.Float64() < probability
}

// isThere decides about something optional.
func (f *filler) isThere(depth int) bool {
	return f.budget > 0 && depth < 40 && f.chance(f.density)
}

func (f *filler) pick(from ...string) string {
	return from[f.IntN(len(from))]
}

// fill leaves a value as it is when it shall be zero.
func (f *filler) fill(value reflect.Value, depth int) {
	f.budget--
	if f.fillByHand(value.Addr().Interface(), depth) {
		return
	}
	switch value.Kind() {
	case reflect.Struct:
		for i := range value.NumField() {
			if value.Type().Field(i).Type != reflect.TypeFor[metav1.TypeMeta]() {
				f.fill(value.Field(i), depth+1)
			}
		}
	case reflect.Pointer:
		if f.isThere(depth) {
			value.Set(reflect.New(value.Type().Elem()))
			f.fill(value.Elem(), depth+1)
		}
	case reflect.Slice:
		f.fillSlice(value, depth)
	case reflect.Map:
		f.fillMap(value, depth)
	case reflect.Interface:
	default:
		if f.chance((1 + f.density) / 2) {
			f.fillScalar(value)
		}
	}
}

func (f *filler) fillSlice(value reflect.Value, depth int) {
	if !f.isThere(depth) {
		return
	}
	if value.Type().Elem().Kind() == reflect.Uint8 {
		value.SetBytes(f.bytes())
		return
	}
	count := f.IntN(4)
	value.Set(reflect.MakeSlice(value.Type(), count, count))
	for i := range count {
		f.fill(value.Index(i), depth+1)
	}
}

func (f *filler) fillMap(value reflect.Value, depth int) {
	if !f.isThere(depth) {
		return
	}
	count := f.IntN(4)
	if f.chance(0.02) {
		count = 50
	}
	value.Set(reflect.MakeMap(value.Type()))
	for range count {
		key := reflect.New(value.Type().Key()).Elem()
		key.SetString(f.text(true))
		item := reflect.New(value.Type().Elem()).Elem()
		f.fill(item, depth+1)
		value.SetMapIndex(key, item)
	}
}

func (f *filler) fillScalar(value reflect.Value) {
	switch value.Kind() {
	case reflect.Bool:
		value.SetBool(f.chance(0.5))
	case reflect.Int32:
		value.SetInt(int64(int32(f.integer())))
	case reflect.Int64, reflect.Int:
		value.SetInt(f.integer())
	case reflect.Float64:
		value.SetFloat(f.float())
	case reflect.String:
		value.SetString(f.text(false))
	default:
		panic(fmt.Sprintf("no random value for %v", value.Type()))
	}
}

func (f *filler) fillByHand(pointer any, depth int) bool {
	switch value := pointer.(type) {
	case *metav1.Time:
		if f.chance(f.density) {
			value.Time = f.time()
		}
	case *metav1.MicroTime:
		if f.chance(f.density) {
			value.Time = f.time().Add(time.Duration(f.Int64N(1e9)))
		}
	case *metav1.Duration:
		value.Duration = f.duration()
	case *resource.Quantity:
		if f.chance(f.density) {
			*value = f.quantity()
		}
	case *intstr.IntOrString:
		if f.chance(0.5) {
			*value = intstr.FromInt32(int32(f.integer()))
		} else {
			*value = intstr.FromString(f.text(false))
		}
	case *runtime.RawExtension:
		if f.isThere(depth) {
			value.Raw = f.json()
		}
	case *apiextensionsv1.JSON:
		if f.isThere(depth) {
			value.Raw = f.json()
		}
	case *metav1.FieldsV1:
		if f.isThere(depth) {
			value.SetRawBytes(f.fields())
		}
	default:
		return false
	}
	return true
}

func (f *filler) integer() int64 {
	switch f.IntN(6) {
	case 0:
		return 0
	case 1:
		return f.Int64N(1000)
	case 2:
		return -f.Int64N(1000)
	case 3:
		return []int64{math.MaxInt64, math.MinInt64, math.MaxInt32, math.MinInt32, 99, 100, -1}[f.IntN(7)]
	}
	return int64(f.Uint64()) >> f.IntN(64)
}

func (f *filler) float() float64 {
	switch f.IntN(5) {
	case 0:
		return float64(f.Int64N(1000) - 500)
	case 1:
		return f.NormFloat64()
	case 2:
		return []float64{0, math.Copysign(0, -1), 1e21, 1e20, 1e-6, 1e-7, math.MaxInt64, math.MaxUint64,
			math.MaxFloat64, math.SmallestNonzeroFloat64, 0.1, 1 << 53}[f.IntN(12)]
	}
	for {
		value := math.Float64frombits(f.Uint64())
		if !math.IsNaN(value) && !math.IsInf(value, 0) {
			return value
		}
	}
}

var pieces = []string{
	"", "a", "web", "true", "null", "1e3", "0x1f", "~", "- ", ": ", "#", "\"", "'", "\\", "\n", "\t", "\r\n", "\x00",
	"\x1b[1m", " ", "<&>", "é", "漢字", "😀", "\u2028", "\ufeff", "\ufffd", "\xff", "\xc3", "\xed\xa0\x80", "\xf0\x9f\x98",
	"kubernetes.io/", "registry.example.com/app:1.25", "2024-01-31T12:00:00Z", "k8s.io", "12345678901234567890",
}

// text is any bytes; the keys of a map do not become alike when what is not UTF-8 is replaced.
func (f *filler) text(key bool) string {
	var text strings.Builder
	if f.chance(0.01) {
		return strings.Repeat(f.pick("long ", "x", "ü"), f.IntN(2000))
	}
	for range f.IntN(4) {
		text.WriteString(pieces[f.IntN(len(pieces))])
	}
	if key {
		fmt.Fprintf(&text, "%d", f.Uint32())
	}
	return text.String()
}

func (f *filler) bytes() []byte {
	bytes := make([]byte, f.IntN(40))
	for i := range bytes {
		bytes[i] = byte(f.Uint32())
	}
	return bytes
}

// time is within the years that RFC 3339 can tell, in any zone.
func (f *filler) time() time.Time {
	var seconds int64
	switch f.IntN(4) {
	case 0:
		seconds = []int64{0, -1, 1, -62135596800, -62135596799, 253402300799, 951782400, 68256000}[f.IntN(8)]
	case 1:
		seconds = -62135596800 + f.Int64N(62135596800+253402300799)
	default:
		seconds = 1.7e9 + f.Int64N(1e8)
	}
	return time.Unix(seconds, 0).In(time.FixedZone("", f.IntN(7200)-3600))
}

func (f *filler) duration() time.Duration {
	if f.chance(0.3) {
		return time.Duration(f.integer())
	}
	units := []time.Duration{1, time.Microsecond, time.Millisecond, time.Second, time.Minute, time.Hour}
	return time.Duration(f.IntN(200)-50) * units[f.IntN(len(units))]
}

func (f *filler) quantity() resource.Quantity {
	var text strings.Builder
	text.WriteString(f.pick("", "", "", "-", "+"))
	text.WriteString(f.pick("", "", "0", "00"))
	digits := fmt.Sprint(f.Uint64() >> f.IntN(64))
	text.WriteString(digits)
	text.WriteString(f.pick("", "", "", "0", "000", ".5", ".500", ".000", ".123456789123", "."))
	text.WriteString(f.pick("", "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3",
		"E3", "e-3", "e2", "e+9", "E-6", "e-9", "e0", "e15"))
	quantity, err := resource.ParseQuantity(text.String())
	if err != nil {
		return resource.Quantity{}
	}
	if f.chance(0.3) {
		quantity.Add(resource.MustParse("1"))
	}
	// What is stored went through protobuf before.
	quantity, err = resource.ParseQuantity(quantity.String())
	if err != nil {
		return resource.Quantity{}
	}
	return quantity
}

func (f *filler) value(depth int) any {
	switch f.IntN(8) {
	case 0:
		return nil
	case 1:
		return f.chance(0.5)
	case 2:
		return f.integer()
	case 3:
		return f.float()
	case 4:
		if depth < 5 {
			list := make([]any, f.IntN(4))
			for i := range list {
				list[i] = f.value(depth + 1)
			}
			return list
		}
	case 5, 6:
		if depth < 5 {
			object := map[string]any{}
			for range f.IntN(4) {
				object[f.text(true)] = f.value(depth + 1)
			}
			return object
		}
	}
	return f.text(false)
}

func (f *filler) marshal(value any) []byte {
	text, err := json.Marshal(value)
	if f.chance(0.2) {
		text, err = json.MarshalIndent(value, " ", "\t")
	}
	if err != nil {
		panic(err)
	}
	return text
}

func (f *filler) json() []byte {
	return f.marshal(f.value(0))
}

// fields are an object or null, as FieldsV1 has it.
func (f *filler) fields() []byte {
	if f.chance(0.1) {
		return []byte("null")
	}
	return f.marshal(map[string]any{"f:" + f.text(false): map[string]any{}, "f:spec": map[string]any{".": map[string]any{}}})
}
