// Package top adds flows up by what they have in common, such as their source, and tells
// who has most. Its memory is bounded, whatever flows there are.
//
//	top.go   sums and their order
//	keys.go  what flows may have in common
package top
