// Package house has the rules of this repository that no linter knows, as tests: what
// documents promise about the tree is true of it. There is no code in it.
//
//	house_test.go      the files of the tree, for the others
//	rooms_test.go      each room lists its files; docs/architecture.md lists the rooms
//	links_test.go      links between documents, targets that they name; the numbers of decisions
//	words_test.go      short rows, who may name variables, what Go calls a question
//	cures_test.go      every warning says what to do
package house
