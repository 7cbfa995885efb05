// The protobuf-oracle knows Kubernetes' objects as the API server does: by the Go types.
//
// "protobuf-oracle table" prints the C source that describes these types to our decoder
// (cache/protobuf_table.c). Without an argument it answers on a pipe.
//
// A request is one byte of operation, four bytes of length (big endian) and that many bytes of
// payload. A response is one byte of status (0 is success, 1 an error), four bytes of length, and
// the result or the error message. Requests may be sent ahead; responses come in their order.
//
//	k  nothing -> the kinds of the table, a line each: "apps/v1 Deployment"
//	o  "apps/v1 Deployment 17" -> a random object of that kind, made from seed 17: four bytes of
//	   length (big endian) and its protobuf, then its JSON
//	d  protobuf -> the JSON of the object
//	e  JSON of an object -> its protobuf
//
// Protobuf is what the API server stores in etcd and sends, an envelope that begins with "k8s\0".
// JSON is what the API server answers for an object that it has read from such protobuf.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// maxPayload is far above the objects that tests use.
const maxPayload = 1 << 28

func listKinds() []byte {
	var text strings.Builder
	for _, kind := range kinds() {
		fmt.Fprintf(&text, "%s %s\n", kind.apiVersion, kind.name)
	}
	return []byte(text.String())
}

func makeObject(payload string) ([]byte, error) {
	words := strings.Fields(payload)
	if len(words) != 3 {
		return nil, fmt.Errorf("want apiVersion, kind and seed, not %q", payload)
	}
	seed, err := strconv.ParseUint(words[2], 10, 64)
	if err != nil {
		return nil, err
	}
	stored, err := randomObject(words[0], words[1], seed)
	if err != nil {
		return nil, err
	}
	text, err := toJSON(stored)
	if err != nil {
		return nil, err
	}
	result := binary.BigEndian.AppendUint32(nil, uint32(len(stored)))
	return append(append(result, stored...), text...), nil
}

func answer(op byte, payload []byte) (text []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			text, err = nil, fmt.Errorf("panic: %v", cause)
		}
	}()

	switch op {
	case 'k':
		return listKinds(), nil
	case 'o':
		return makeObject(string(payload))
	case 'd':
		return toJSON(payload)
	case 'e':
		return fromJSON(payload)
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
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "table":
		if err = printTable(out); err == nil {
			err = out.Flush()
		}
	case len(os.Args) == 1:
		err = serve(bufio.NewReaderSize(os.Stdin, 1<<16), out)
	default:
		err = fmt.Errorf("usage: protobuf-oracle [table]")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "protobuf-oracle:", err)
		os.Exit(1)
	}
}
