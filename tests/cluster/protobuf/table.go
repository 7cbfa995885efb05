package main

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime/debug"
	"slices"
	"sort"
	"strconv"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// The C names of cache/protobuf_table.h.
const (
	shapeObject = "PROTOBUF_OBJECT"
	shapePart   = "PROTOBUF_PART"
	shapeChoice = "PROTOBUF_CHOICE"

	formSingle   = "PROTOBUF_SINGLE"
	formRepeated = "PROTOBUF_REPEATED"
	formMap      = "PROTOBUF_MAP"
	formInline   = "PROTOBUF_INLINE"

	absentOmitted = "PROTOBUF_OMITTED"
	absentNull    = "PROTOBUF_NULL"
	absentFalse   = "PROTOBUF_FALSE"
	absentZero    = "PROTOBUF_ZERO"
	absentEmpty   = "PROTOBUF_EMPTY"
	absentArray   = "PROTOBUF_EMPTY_ARRAY"
	absentMessage = "PROTOBUF_DEFAULT"
	absentText    = "PROTOBUF_TEXT"
)

// byHand are the messages that decode to something other than an object of their fields.
var byHand = map[reflect.Type]string{
	reflect.TypeFor[metav1.Time]():          "PROTOBUF_TIME",
	reflect.TypeFor[metav1.MicroTime]():     "PROTOBUF_MICRO_TIME",
	reflect.TypeFor[metav1.Duration]():      "PROTOBUF_DURATION",
	reflect.TypeFor[resource.Quantity]():    "PROTOBUF_QUANTITY",
	reflect.TypeFor[intstr.IntOrString]():   "PROTOBUF_INT_OR_STRING",
	reflect.TypeFor[runtime.RawExtension](): "PROTOBUF_RAW_EXTENSION",
	reflect.TypeFor[metav1.FieldsV1]():      "PROTOBUF_FIELDS_V1",
	reflect.TypeFor[apiextensionsv1.JSON](): "PROTOBUF_JSON",
}

// choices are the messages that are one of their fields in JSON: the first that is there.
var choices = map[reflect.Type][]string{
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrArray]():       {"JSONSchemas", "Schema"},
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrBool]():        {"Schema", "Allows"},
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrStringArray](): {"Property", "Schema"},
}

// A messageRow describes a message, or a part: the fields of an embedded struct, whose members are
// those of the message around it.
type messageRow struct {
	index   int
	name    string
	shape   string
	fields  []*fieldRow
	members []*memberRow
}

// A fieldRow is what may come on the wire.
type fieldRow struct {
	number    int
	wire      string
	form      string
	member    *memberRow
	omitEmpty bool
	message   *messageRow
}

// A memberRow is what JSON may show, and what it shows when nothing came.
type memberRow struct {
	index   int
	name    string
	absent  string
	message *messageRow
	text    string
}

type messageKey struct {
	goType reflect.Type
	meta   metav1.TypeMeta
}

type generator struct {
	messages []*messageRow
	known    map[messageKey]*messageRow
	texts    []string
}

func (g *generator) newMessage(name, shape string) *messageRow {
	row := &messageRow{index: len(g.messages), name: name, shape: shape}
	g.messages = append(g.messages, row)
	return row
}

func isMessage(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(messageType)
}

func hasTypeMeta(t reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	_, has := t.FieldByName("TypeMeta")
	return has
}

func nameOf(t reflect.Type) string {
	return t.PkgPath() + "." + t.Name()
}

// message returns the row of a type; meta is what its TypeMeta holds, if anything.
func (g *generator) message(t reflect.Type, meta metav1.TypeMeta) *messageRow {
	key := messageKey{t, meta}
	if row := g.known[key]; row != nil {
		return row
	}
	if !isMessage(t) {
		panic(fmt.Sprintf("%v is no protobuf message", t))
	}
	shape, ok := byHand[t]
	if !ok {
		shape = shapeObject
	}
	row := g.newMessage(nameOf(t), shape)
	g.known[key] = row
	switch {
	case ok:
	case t.Kind() == reflect.Slice:
		g.addList(row, t)
	case choices[t] != nil:
		g.addChoice(row, t)
	default:
		g.addFields(row, row, t)
		g.addTypeMeta(row, meta)
		sort.Slice(row.members, func(i, j int) bool { return row.members[i].name < row.members[j].name })
	}
	for i, member := range row.members {
		member.index = i
		if i > 0 && member.name == row.members[i-1].name {
			panic(fmt.Sprintf("%v has the member %s twice", t, member.name))
		}
	}
	return row
}

// addList describes a named slice, which protobuf wraps into a message of its own.
func (g *generator) addList(row *messageRow, t reflect.Type) {
	row.shape = shapeChoice
	member := &memberRow{name: "items", absent: absentArray}
	field := &fieldRow{number: 1, form: formRepeated, member: member}
	field.wire, field.message = g.value(t.Elem(), metav1.TypeMeta{})
	row.members = []*memberRow{member}
	row.fields = []*fieldRow{field}
}

func (g *generator) addChoice(row *messageRow, t reflect.Type) {
	row.shape = shapeChoice
	if t.NumField() != len(choices[t]) {
		panic(fmt.Sprintf("%v has other fields", t))
	}
	for _, name := range choices[t] {
		goField, ok := t.FieldByName(name)
		if !ok {
			panic(fmt.Sprintf("%v has no field %s", t, name))
		}
		g.addField(row, row, t, goField, name, false)
	}
	sort.Slice(row.fields, func(i, j int) bool { return row.fields[i].number < row.fields[j].number })
}

// addTypeMeta gives an object within another its constants.
func (g *generator) addTypeMeta(row *messageRow, meta metav1.TypeMeta) {
	if meta == (metav1.TypeMeta{}) {
		return
	}
	row.name += " with its type"
	row.members = append(row.members, &memberRow{name: "apiVersion", absent: absentText, text: meta.APIVersion},
		&memberRow{name: "kind", absent: absentText, text: meta.Kind})
}

// jsonName follows encoding/json's tags. "" says that the fields of an embedded struct stand in its place.
func jsonName(field reflect.StructField) (name string, omitEmpty, omitZero, skipped bool) {
	tag, options, _ := strings.Cut(field.Tag.Get("json"), ",")
	if tag == "-" && options == "" {
		return "", false, false, true
	}
	if tag == "" && !field.Anonymous {
		tag = field.Name
	}
	words := strings.Split(options, ",")
	if slices.Contains(words, "string") {
		panic(field.Name + " is a number that is quoted")
	}
	return tag, slices.Contains(words, "omitempty"), slices.Contains(words, "omitzero"), false
}

func fieldNumber(field reflect.StructField) int {
	words := strings.Split(field.Tag.Get("protobuf"), ",")
	if len(words) < 2 {
		panic(field.Name + " has no protobuf tag")
	}
	number, err := strconv.Atoi(words[1])
	if err != nil || number <= 0 {
		panic(field.Name + " has no field number")
	}
	return number
}

// addFields adds a struct's fields to row; what they are in JSON becomes members of owner.
func (g *generator) addFields(owner, row *messageRow, t reflect.Type) {
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Type == reflect.TypeFor[metav1.TypeMeta]() {
			continue
		}
		name, omitEmpty, omitZero, skipped := jsonName(field)
		switch {
		case skipped:
			panic(fmt.Sprintf("%v.%s is not in JSON", t, field.Name))
		case name != "":
			if omitZero && byHand[field.Type] != "PROTOBUF_TIME" {
				panic(fmt.Sprintf("%v.%s has omitzero", t, field.Name))
			}
			// omitempty alone never leaves out a struct.
			if field.Type.Kind() == reflect.Struct {
				omitEmpty = omitZero
			}
			g.addField(owner, row, t, field, name, omitEmpty)
		case field.Type.Kind() == reflect.Struct:
			part := g.newMessage(nameOf(field.Type)+" within "+owner.name, shapePart)
			g.addFields(owner, part, field.Type)
			row.fields = append(row.fields, &fieldRow{number: fieldNumber(field), wire: "PROTOBUF_MESSAGE",
				form: formInline, message: part})
		default:
			panic(fmt.Sprintf("%v.%s is embedded and no struct", t, field.Name))
		}
	}
	sort.Slice(row.fields, func(i, j int) bool { return row.fields[i].number < row.fields[j].number })
}

func (g *generator) addField(owner, row *messageRow, t reflect.Type, goField reflect.StructField, name string, omitEmpty bool) {
	member := &memberRow{name: name}
	field := &fieldRow{number: fieldNumber(goField), form: formSingle, member: member}
	meta := typeMeta[nameOf(t)+"."+goField.Name]
	kind := goField.Type

	switch {
	case kind.Kind() == reflect.Pointer:
		member.absent = absentNull
		field.wire, field.message = g.value(kind.Elem(), meta)
	case isMessage(kind) && kind.Kind() == reflect.Slice:
		member.absent = absentNull
		field.omitEmpty = omitEmpty
		field.wire, field.message = g.value(kind, meta)
	case kind.Kind() == reflect.Slice && kind.Elem().Kind() != reflect.Uint8:
		member.absent = absentNull
		field.form = formRepeated
		field.wire, field.message = g.value(kind.Elem(), meta)
	case kind.Kind() == reflect.Map:
		if kind.Key().Kind() != reflect.String {
			panic(fmt.Sprintf("%v.%s has keys that are no strings", t, goField.Name))
		}
		member.absent = absentNull
		field.form = formMap
		field.wire, field.message = g.value(kind.Elem(), meta)
	default:
		field.omitEmpty = omitEmpty
		field.wire, field.message = g.value(kind, meta)
		member.absent = zeroOf(field.wire)
		member.message = field.message
	}
	if omitEmpty {
		member.absent = absentOmitted
		member.message = nil
	}
	owner.members = append(owner.members, member)
	row.fields = append(row.fields, field)
}

// zeroOf is what JSON shows for the zero value of a type that is no pointer.
func zeroOf(wire string) string {
	switch wire {
	case "PROTOBUF_BOOL":
		return absentFalse
	case "PROTOBUF_STRING":
		return absentEmpty
	case "PROTOBUF_BYTES":
		return absentNull
	case "PROTOBUF_MESSAGE":
		return absentMessage
	}
	return absentZero
}

// value returns how a Go type goes over the wire, as go-to-protobuf decides it.
func (g *generator) value(t reflect.Type, meta metav1.TypeMeta) (string, *messageRow) {
	switch {
	case isMessage(t):
		if hasTypeMeta(t) && meta == (metav1.TypeMeta{}) {
			panic(fmt.Sprintf("an object within another: what type does %v show?", t))
		}
		return "PROTOBUF_MESSAGE", g.message(t, meta)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return "PROTOBUF_BYTES", nil
	}
	switch t.Kind() {
	case reflect.Bool:
		return "PROTOBUF_BOOL", nil
	case reflect.Int32:
		return "PROTOBUF_INT32", nil
	case reflect.Int64, reflect.Int:
		return "PROTOBUF_INT64", nil
	case reflect.Float64:
		return "PROTOBUF_DOUBLE", nil
	case reflect.String:
		return "PROTOBUF_STRING", nil
	}
	panic(fmt.Sprintf("no wire type for %v", t))
}

func (g *generator) text(text string) int {
	index := slices.Index(g.texts, text)
	if index < 0 {
		index = len(g.texts)
		g.texts = append(g.texts, text)
	}
	return index
}

func indexOf(row *messageRow) int {
	if row == nil {
		return 0
	}
	return row.index
}

const header = `/* clang-format off */
/*
 * Generated from the Go types of Kubernetes: not to be edited.
 *
 *   tests/cluster/build.py protobuf
 *   ~/.cache/kubefs/current/bin/protobuf-oracle table >cache/protobuf_table.c
 */
#include "cache/protobuf_table.h"
`

func (g *generator) printFields(out io.Writer) {
	fmt.Fprintf(out, "\nconst struct protobuf_field protobuf_fields[] = {\n")
	for _, message := range g.messages {
		fmt.Fprintf(out, "\t/* %d: %s */\n", message.index, message.name)
		for _, field := range message.fields {
			member, omit := 0, 0
			if field.member != nil {
				member = field.member.index
			}
			if field.omitEmpty {
				omit = 1
			}
			fmt.Fprintf(out, "\t{%d, %s, %s, %d, %d, %d},\n", field.number, field.wire, field.form, member, omit,
				indexOf(field.message))
		}
	}
	fmt.Fprintf(out, "};\n")
}

func (g *generator) printMembers(out io.Writer) (most int) {
	fmt.Fprintf(out, "\nconst struct protobuf_member protobuf_members[] = {\n")
	for _, message := range g.messages {
		fmt.Fprintf(out, "\t/* %d */\n", message.index)
		most = max(most, len(message.members))
		for _, member := range message.members {
			reference := indexOf(member.message)
			if member.absent == absentText {
				reference = g.text(member.text)
			}
			fmt.Fprintf(out, "\t{%q, %d, %s, %d},\n", member.name, len(member.name), member.absent, reference)
		}
	}
	fmt.Fprintf(out, "};\n")
	return most
}

func (g *generator) printMessages(out io.Writer) {
	fields, members := 0, 0
	fmt.Fprintf(out, "\nconst struct protobuf_message protobuf_messages[] = {\n")
	for _, message := range g.messages {
		fmt.Fprintf(out, "\t{%d, %d, %d, %d, %s}, /* %d */\n", fields, members, len(message.fields),
			len(message.members), message.shape, message.index)
		fields += len(message.fields)
		members += len(message.members)
	}
	fmt.Fprintf(out, "};\n")
}

// minor is that of the Kubernetes release whose types are linked in: k8s.io/api v0.36.1 is of 1.36.
func minor() (int, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return 0, errors.New("the program does not know its modules")
	}
	for _, module := range info.Deps {
		var major, minor int
		if module.Path != "k8s.io/api" {
			continue
		}
		if _, err := fmt.Sscanf(module.Version, "v%d.%d.", &major, &minor); err != nil {
			return 0, err
		}
		return minor, nil
	}
	return 0, errors.New("k8s.io/api is not linked in")
}

func printTable(out io.Writer) error {
	release, err := minor()
	if err != nil {
		return err
	}
	g := &generator{known: map[messageKey]*messageRow{}}
	roots := kinds()
	rows := make([]*messageRow, len(roots))
	for i, root := range roots {
		rows[i] = g.message(root.goType, metav1.TypeMeta{})
	}
	fmt.Fprint(out, header)
	g.printFields(out)
	most := g.printMembers(out)
	g.printMessages(out)
	fmt.Fprintf(out, "\nconst struct protobuf_kind protobuf_kinds[] = {\n")
	for i, root := range roots {
		fmt.Fprintf(out, "\t{%q, %q, %d},\n", root.apiVersion, root.name, rows[i].index)
	}
	fmt.Fprintf(out, "};\n\nconst char *const protobuf_texts[] = {\n")
	for _, text := range g.texts {
		fmt.Fprintf(out, "\t%q,\n", text)
	}
	fmt.Fprintf(out, "};\n\nconst size_t protobuf_kind_count = G_N_ELEMENTS(protobuf_kinds);\n")
	fmt.Fprintf(out, "const unsigned int protobuf_minor = %d;\n", release)
	fmt.Fprintf(out, "\nG_STATIC_ASSERT(%d <= PROTOBUF_MEMBERS_MAX);\n", most)
	_, err = fmt.Fprintf(out, "G_STATIC_ASSERT(%d <= UINT16_MAX);\n", len(g.messages))
	return err
}
