package tail

import "github.com/flowpub/flowpub/internal/tail/flow"

// layout is how flows are laid out in lines of text.
type layout struct {
	// header is printed once, before the first flow: a line, or nothing.
	header string
	// append appends the line of f.
	append func(b []byte, f *flow.Flow) []byte
}

// layoutOf returns the layout of a valid configuration.
func layoutOf(cfg *Config) layout {
	switch cfg.Format {
	case FormatJSON:
		return layout{append: appendJSON}
	case FormatCSV:
		return layout{header: csvHeader(), append: appendCSV}
	default:
		columns, _ := columnsOf(cfg)
		return table{columns, cfg.Style.Color}.layout()
	}
}
