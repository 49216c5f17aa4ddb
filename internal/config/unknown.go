package config

import (
	"regexp"
	"slices"
	"strings"
)

// unknown returns a complaint about each variable that has our prefix and is
// none of ours, in alphabetical order. A misspelt variable would otherwise
// leave its default in force without a word. The value is not shown: it may be
// a secret under a misspelt name.
func unknown(environment map[string]string, variables []Variable) []string {
	var names []string
	for name, value := range environment {
		if strings.HasPrefix(name, Prefix) && !isVariable(name, variables) && !fromKubernetes(name, value) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	complaints := make([]string, len(names))
	for i, name := range names {
		complaints[i] = name + " is not known: did you mean " + nearest(name, variables) + "? Otherwise remove it"
	}
	return complaints
}

func isVariable(name string, variables []Variable) bool {
	return slices.ContainsFunc(variables, func(v Variable) bool { return v.Name == name })
}

// Kubernetes tells every container the addresses of the Services of its
// namespace, under names that begin with the Service's: one called flowpub
// yields all of these.
var (
	serviceName = regexp.MustCompile(`_SERVICE_(HOST|PORT(_.*)?)$`)
	portName    = regexp.MustCompile(`_PORT_[0-9]+_(TCP|UDP|SCTP)(_.*)?$`)
)

// fromKubernetes reports whether a variable is one that Kubernetes sets.
func fromKubernetes(name, value string) bool {
	return serviceName.MatchString(name) || portName.MatchString(name) ||
		strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://")
}

// nearest returns the name that takes the fewest edits to get from name.
func nearest(name string, variables []Variable) string {
	return slices.MinFunc(variables, func(a, b Variable) int {
		return editDistance(name, a.Name) - editDistance(name, b.Name)
	}).Name
}

// editDistance is the number of characters to insert, remove or replace to turn
// one text into the other (Levenshtein).
func editDistance(from, to string) int {
	row := make([]int, len(to)+1) // distances of the part of from read so far
	for j := range row {
		row[j] = j
	}
	for i := range len(from) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(to) {
			replace := diagonal
			if from[i] != to[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(to)]
}
