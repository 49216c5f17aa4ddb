// Package memory hands out the buffers of batches and stages, outside of the Go heap
// where that can be, and keeps their sum within a limit. Accounts that fail to deliver
// leave room to the others.
//
//	budget.go  who gets how much
//	mmap_*.go  where it comes from
package memory
