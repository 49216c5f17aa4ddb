package config

import (
	"reflect"
	"strings"

	"github.com/flowpub/flowpub/internal/config/variable"
)

// Variable describes an environment variable.
type Variable struct {
	// Name is the whole name, with Prefix.
	Name string
	// Default is the value that applies when the variable is unset or empty,
	// or words that say what applies; "required" when nothing does.
	Default string
	// Unit tells what a value looks like.
	Unit string
	// Help is the meaning in one line.
	Help string
	// Secret values must not be shown.
	Secret bool

	// field is the variable's field in settings.
	field string
}

// namesSecret reports whether a value is the name of a file that holds a secret, or
// may: a certificate's file often has the key as well.
func (v *Variable) namesSecret() bool {
	return strings.HasSuffix(v.Name, "_FILE") && !strings.HasSuffix(v.Name, "_CA_FILE") && v.Name != variable.ExportersFile
}

// Variables returns all variables in the order in which they are documented.
func Variables() []Variable {
	var all []Variable
	for _, field := range reflect.VisibleFields(reflect.TypeFor[settings]()) {
		name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
		value, fixed := field.Tag.Lookup("envDefault")
		if !fixed {
			value = field.Tag.Get("default")
		}
		all = append(all, Variable{
			Name:    Prefix + name,
			Default: value,
			Unit:    field.Tag.Get("unit"),
			Help:    field.Tag.Get("help"),
			Secret:  field.Tag.Get("secret") == "true",
			field:   field.Name,
		})
	}
	return all
}
