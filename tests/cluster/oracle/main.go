// The yaml-oracle answers on a pipe what kubectl would print for an object,
// with the code that kubectl itself prints with.
//
// A request is one byte of operation, four bytes of length (big endian) and
// that many bytes of payload. A response is one byte of status (0 is success,
// 1 an error), four bytes of length, and the text or the error message.
// Requests may be sent ahead; responses come in their order.
//
//	y  JSON of one object -> what `kubectl get -o yaml` prints
//	j  JSON of one object -> what `kubectl get -o json` prints
//	Y  any JSON value -> YAML, managedFields kept, no kind needed
//	J  any JSON value -> JSON with four spaces of indentation, likewise
//	r  YAML -> JSON as sigs.k8s.io/yaml reads it
//	s  the same, strictly: a duplicate key is an error
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/yaml"
)

// maxPayload is far above the 16 MiB objects that tests use.
const maxPayload = 1 << 28

// printObject follows resource.dynamicCodec and get.GetOptions: numbers become
// int64 or float64, managedFields are left out, the printer does the rest.
// Other than kubectl it does not take an object with a field "items" for a
// list.
func printObject(payload []byte, printer printers.ResourcePrinter) ([]byte, error) {
	obj := &unstructured.Unstructured{}
	if err := json.Unmarshal(payload, &obj.Object); err != nil {
		return nil, err
	}
	if obj.GetKind() == "" {
		return nil, errors.New("Object 'Kind' is missing")
	}

	var out bytes.Buffer
	omit := &printers.OmitManagedFieldsPrinter{Delegate: printer}
	if err := omit.PrintObj(obj, &out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func printValue(payload []byte, marshal func(any) ([]byte, error)) ([]byte, error) {
	var value any
	if err := json.Unmarshal(payload, &value); err != nil {
		return nil, err
	}
	return marshal(value)
}

func indent(value any) ([]byte, error) {
	text, err := stdjson.MarshalIndent(value, "", "    ")
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

func answer(op byte, payload []byte) (text []byte, err error) {
	// The YAML library reports some failures by panicking.
	defer func() {
		if cause := recover(); cause != nil {
			text, err = nil, fmt.Errorf("panic: %v", cause)
		}
	}()

	switch op {
	case 'y':
		return printObject(payload, &printers.YAMLPrinter{})
	case 'j':
		return printObject(payload, &printers.JSONPrinter{})
	case 'Y':
		return printValue(payload, func(value any) ([]byte, error) { return yaml.Marshal(value) })
	case 'J':
		return printValue(payload, indent)
	case 'r':
		return yaml.YAMLToJSON(payload)
	case 's':
		return yaml.YAMLToJSONStrict(payload)
	}
	return nil, fmt.Errorf("unknown operation %q", op)
}

func respond(out *bufio.Writer, text []byte, err error) error {
	var header [5]byte
	if err != nil {
		header[0] = 1
		text = []byte(err.Error())
	}
	binary.BigEndian.PutUint32(header[1:], uint32(len(text)))
	if _, err := out.Write(header[:]); err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

func serve(in *bufio.Reader, out *bufio.Writer) error {
	for {
		// Whoever waits for an answer has sent nothing more.
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}

		var header [5]byte
		if _, err := io.ReadFull(in, header[:]); err != nil {
			if err == io.EOF {
				return out.Flush()
			}
			return err
		}
		length := binary.BigEndian.Uint32(header[1:])
		if length > maxPayload {
			return fmt.Errorf("a payload of %d bytes is above the limit of %d", length, maxPayload)
		}
		payload := make([]byte, length)
		if _, err := io.ReadFull(in, payload); err != nil {
			return err
		}

		text, err := answer(header[0], payload)
		if err := respond(out, text, err); err != nil {
			return err
		}
	}
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<16)
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	if err := serve(in, out); err != nil {
		fmt.Fprintln(os.Stderr, "yaml-oracle:", err)
		os.Exit(1)
	}
}
