package config

import (
	"errors"
	"fmt"
	"strings"
)

// mistakes collects what is wrong with a configuration, at most one complaint a
// variable: the first one made, since later ones are likely to follow from it.
type mistakes struct {
	environment map[string]string
	complaints  map[string]string // by the variable's name
	hidden      map[string]bool   // variables whose value must not be shown
}

func newMistakes(environment map[string]string, variables []Variable) *mistakes {
	m := &mistakes{
		environment: environment,
		complaints:  make(map[string]string),
		hidden:      make(map[string]bool),
	}
	for _, v := range variables {
		m.hidden[v.Name] = v.Secret
	}
	return m
}

// add complains about the value of a variable.
func (m *mistakes) add(variable, complaint string) {
	value := m.environment[variable]
	switch {
	case m.made(variable):
	case value == "":
		m.complaints[variable] = variable + " is not set: " + complaint
	case m.hidden[variable]:
		m.complaints[variable] = variable + " is set: " + complaint
	default:
		m.complaints[variable] = fmt.Sprintf("%s is %q: %s", variable, value, complaint)
	}
}

// hide keeps the value of a variable out of its complaint.
func (m *mistakes) hide(variable string) { m.hidden[variable] = true }

// made reports whether there is a complaint about a variable.
func (m *mistakes) made(variable string) bool {
	_, found := m.complaints[variable]
	return found
}

// any reports whether there is a complaint.
func (m *mistakes) any() bool { return len(m.complaints) > 0 }

// err returns the complaints in the order of variables and then the others,
// one line each; nil when there are none.
func (m *mistakes) err(variables []Variable, others []string) error {
	var lines []string
	for _, v := range variables {
		if complaint, found := m.complaints[v.Name]; found {
			lines = append(lines, complaint)
		}
	}
	lines = append(lines, others...)
	if len(lines) == 0 {
		return nil
	}
	return errors.New(strings.Join(lines, "\n"))
}
