package tail

// layout is how flows are laid out in lines of text.
type layout struct {
	// header is printed once, before the first flow: a line, or nothing.
	header string
	// append appends the line of f.
	append func(b []byte, f *flow) []byte
}

// layoutOf returns the layout of format.
func layoutOf(format Format) layout {
	switch format {
	case FormatJSON:
		return layout{append: appendJSON}
	case FormatCSV:
		return layout{header: csvHeader(), append: appendCSV}
	case FormatWide:
		return wideTable.layout()
	default:
		return narrowTable.layout()
	}
}
