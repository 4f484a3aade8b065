package configs

import (
	"encoding"
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
)

// decode lays a tree over the struct that section points to and reports the values that do not fit.
func (l *loader) decode(section any, tree map[string]any, path string) error {
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		TagName: "koanf", Result: section, DecodeHook: convert,
		MatchName: func(given, field string) bool { return given == field },
	})
	if err != nil {
		return err
	}
	for _, err := range parts(decoder.Decode(tree)) {
		at, ok := errors.AsType[*mapstructure.DecodeError](err)
		if !ok {
			return err
		}
		value, ok := errors.AsType[*valueError](err)
		if !ok {
			value = &valueError{problem: "does not fit here"}
		}
		l.mistake(join(path, at.Name()), value.value, value.problem)
	}
	return nil
}

// valueError says why a value does not fit its field.
type valueError struct{ value, problem string }

func (e *valueError) Error() string { return e.problem }

// textOf returns a scalar as it was written.
func textOf(data any) (string, bool) {
	switch data := data.(type) {
	case string:
		return data, true
	case plain:
		return string(data), true
	default:
		return "", false
	}
}

// convert is the decoder's hook: it turns texts into what the field is. Every other shape that does not fit is refused
// here too, so that all messages are ours.
func convert(from, to reflect.Value) (any, error) {
	data, typ := from.Interface(), to.Type()
	if typ.Kind() == reflect.Interface {
		return typed(data), nil
	}
	_, isSection := sectionType(typ)
	isSection = isSection || typ.Kind() == reflect.Map
	isList := typ.Kind() == reflect.Slice
	text, isText := textOf(data)
	switch from.Kind() {
	case reflect.Map:
		if !isSection {
			return nil, &valueError{problem: "takes " + kindOf(typ) + ", not keys of its own"}
		}
	case reflect.Slice:
		if !isList {
			return nil, &valueError{problem: "takes " + kindOf(typ) + ", not a list"}
		}
	case reflect.String:
		if isSection {
			return nil, &valueError{problem: "takes keys of its own, as in {key: value}"}
		}
	}
	switch {
	case !isText:
		return data, nil
	case isList:
		return split(text, typ)
	default:
		return parse(text, typ)
	}
}

// split takes a text apart that stands for a list.
func split(text string, typ reflect.Type) (any, error) {
	if _, ok := sectionType(typ.Elem()); ok {
		return nil, &valueError{problem: "takes a list of sections: begin each with a dash"}
	}
	list := []any{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list, nil
}

// parse turns a text into a value of typ.
func parse(text string, typ reflect.Type) (any, error) {
	value := reflect.New(typ)
	var err error
	if unmarshaler, ok := reflect.TypeAssert[encoding.TextUnmarshaler](value); ok {
		if err = unmarshaler.UnmarshalText([]byte(text)); err != nil {
			return nil, refuse(text, typ, err.Error())
		}
		return value.Elem().Interface(), nil
	}
	switch {
	case typ == reflect.TypeFor[time.Duration]():
		var d time.Duration
		d, err = time.ParseDuration(text)
		value.Elem().SetInt(int64(d))
	case value.Elem().CanInt():
		var n int64
		n, err = strconv.ParseInt(text, 10, typ.Bits())
		value.Elem().SetInt(n)
	case value.Elem().CanFloat():
		var f float64
		if f, err = strconv.ParseFloat(text, typ.Bits()); math.IsNaN(f) || math.IsInf(f, 0) {
			err = strconv.ErrRange
		}
		value.Elem().SetFloat(f)
	case typ.Kind() == reflect.Bool:
		var b bool
		b, err = strconv.ParseBool(text)
		value.Elem().SetBool(b)
	case typ.Kind() == reflect.String:
		value.Elem().SetString(text)
	}
	if err != nil {
		return nil, refuse(text, typ, "takes "+kindOf(typ))
	}
	return value.Elem().Interface(), nil
}

// refuse keeps the text of a secret out of the mistake.
func refuse(text string, typ reflect.Type, problem string) error {
	if isSecret(typ) {
		text = ""
	}
	return &valueError{value: text, problem: problem}
}
