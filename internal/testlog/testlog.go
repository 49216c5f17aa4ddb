// Package testlog keeps what tests let others log.
package testlog

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
)

// Book keeps log lines. The zero value is empty; it is safe for concurrent use.
type Book struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write is part of io.Writer.
func (b *Book) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(line)
}

// Logger returns a logger of all levels into b.
func (b *Book) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Text returns all that was written.
func (b *Book) Text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// Take returns all that was written and forgets it.
func (b *Book) Take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := b.buf.String()
	b.buf.Reset()
	return text
}

// Has reports whether text was written.
func (b *Book) Has(text string) bool { return strings.Contains(b.Text(), text) }

// Lines returns the lines that hold text.
func (b *Book) Lines(text string) (found []string) {
	for line := range strings.Lines(b.Text()) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}
