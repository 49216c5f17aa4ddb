// Package memory hands out the buffers of batches and stages, outside of the Go heap
// where that can be, and keeps their sum within a limit. Accounts that fail to deliver
// leave room to the others.
//
//	budget.go   who gets how much
//	account.go  what one partition or stage holds
//	pool.go     buffers, their sizes, and those kept for reuse
//	mmap_*.go   where they come from
package memory
