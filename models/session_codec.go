package models

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// SessionCodec writes session values as bytes: texts and yes-or-no only, so that nothing a database holds can become
// another kind of value. First stands codecVersion, then the deadline in microseconds, then each value as its name, its
// kind and, for a text, that. Numbers are varints; texts follow their length. As JSON, in which sessions were stored
// before and are still read, a session took a tenth of the time of a page.
type SessionCodec struct{}

const codecVersion = 1 // JSON begins with another byte

// What a value is.
const (
	codecText = iota
	codecNo
	codecYes
)

// Encode returns the bytes; values other than string and bool are an error.
func (SessionCodec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	data := binary.AppendVarint([]byte{codecVersion}, deadline.UnixMicro())
	for _, name := range slices.Sorted(maps.Keys(values)) {
		data = appendText(data, name)
		switch value := values[name].(type) {
		case string:
			data = appendText(append(data, codecText), value)
		case bool:
			kind := byte(codecNo)
			if value {
				kind = codecYes
			}
			data = append(data, kind)
		default:
			return nil, fmt.Errorf("session value %q is a %T", name, value)
		}
	}
	return data, nil
}

func appendText(data []byte, text string) []byte {
	return append(binary.AppendUvarint(data, uint64(len(text))), text...)
}

var errSessionData = errors.New("damaged session data")

// Decode reads what Encode wrote, today or when it was JSON.
func (SessionCodec) Decode(data []byte) (time.Time, map[string]any, error) {
	if len(data) == 0 || data[0] != codecVersion {
		return decodeJSON(data)
	}
	micros, n := binary.Varint(data[1:])
	if n <= 0 {
		return time.Time{}, nil, errSessionData
	}
	in := sessionReader{data[1+n:]}
	values := make(map[string]any, 8)
	for len(in.rest) > 0 {
		name, ok := in.text()
		if !ok {
			return time.Time{}, nil, errSessionData
		}
		if values[name], ok = in.value(); !ok {
			return time.Time{}, nil, errSessionData
		}
	}
	return time.UnixMicro(micros).UTC(), values, nil
}

// A sessionReader takes one thing after the other from the front of what is left.
type sessionReader struct{ rest []byte }

func (r *sessionReader) text() (text string, ok bool) {
	length, n := binary.Uvarint(r.rest)
	if n <= 0 || length > uint64(len(r.rest)-n) {
		return "", false
	}
	end := n + int(length)
	text, r.rest = string(r.rest[n:end]), r.rest[end:]
	return text, true
}

func (r *sessionReader) value() (value any, ok bool) {
	if len(r.rest) == 0 {
		return nil, false
	}
	kind := r.rest[0]
	r.rest = r.rest[1:]
	switch kind {
	case codecText:
		return r.text()
	case codecNo, codecYes:
		return kind == codecYes, true
	}
	return nil, false
}

// decodeJSON reads sessions from before there was a codecVersion.
func decodeJSON(data []byte) (time.Time, map[string]any, error) {
	var d struct {
		Deadline time.Time      `json:"deadline"`
		Values   map[string]any `json:"values"`
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return time.Time{}, nil, err
	}
	if d.Values == nil {
		d.Values = make(map[string]any)
	}
	for name, value := range d.Values {
		switch value.(type) {
		case string, bool:
		default:
			return time.Time{}, nil, fmt.Errorf("session value %q is a %T", name, value)
		}
	}
	return d.Deadline, d.Values, nil
}
