package models

import (
	"bytes"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// The types of PostgreSQL that are more to database/sql than text, by their numbers in its catalogue.
const (
	oidBool        = 16
	oidBytea       = 17
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidFloat4      = 700
	oidFloat8      = 701
	oidTimestamptz = 1184
)

// PostgreSQL writes the offset of a zone in minutes or seconds only where it has some; sessions are in UTC.
const postgresTime = "2006-01-02 15:04:05.999999Z07"

// encodeArgs writes arguments as PostgreSQL reads them: bytes as they are, all else as text.
func encodeArgs(args []driver.NamedValue) (values [][]byte, formats []int16) {
	const text, binary = 0, 1
	values, formats = make([][]byte, len(args)), make([]int16, len(args))
	for i, arg := range args {
		formats[i] = text
		switch v := arg.Value.(type) { // what driver.IsValue lets pass
		case nil:
		case []byte:
			values[i], formats[i] = v, binary
		case string:
			values[i] = []byte(v)
		case int64:
			values[i] = strconv.AppendInt(nil, v, 10)
		case float64:
			values[i] = strconv.AppendFloat(nil, v, 'g', -1, 64)
		case bool:
			values[i] = strconv.AppendBool(nil, v)
		case time.Time:
			values[i] = v.UTC().AppendFormat(nil, postgresTime)
		}
	}
	return values, formats
}

// decodeValue reads what PostgreSQL wrote as text; nil is NULL.
func decodeValue(oid uint32, text []byte) (driver.Value, error) {
	if text == nil {
		return nil, nil
	}
	switch oid {
	case oidBool:
		return string(text) == "t", nil
	case oidInt2, oidInt4, oidInt8:
		return strconv.ParseInt(string(text), 10, 64)
	case oidFloat4, oidFloat8:
		return strconv.ParseFloat(string(text), 64)
	case oidBytea:
		return decodeBytes(text)
	case oidTimestamptz:
		t, err := time.Parse(postgresTime, string(text))
		return t.UTC(), err
	}
	return string(text), nil
}

func decodeBytes(text []byte) (driver.Value, error) {
	digits, ok := bytes.CutPrefix(text, []byte(`\x`))
	if !ok {
		return nil, errors.New("PostgreSQL writes bytes in an old way: set bytea_output to hex there")
	}
	value := make([]byte, hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(value, digits); err != nil {
		return nil, fmt.Errorf("bytes from PostgreSQL: %w", err)
	}
	return value, nil
}
