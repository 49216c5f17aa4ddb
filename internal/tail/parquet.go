package tail

import (
	"strconv"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/snappy"

	"github.com/flowpub/flowpub/internal/tail/flow"
)

// parquetRowGroup is how many flows are kept before they are written together.
const parquetRowGroup = 100_000

// parquetFile is the output that is a Parquet file, with the fields of JSON and CSV: whole
// numbers, decimals and moments as such, all else as text. What a record does not have is
// null.
type parquetFile struct {
	writer *parquet.GenericWriter[any]
	row    parquet.Row
	text   []byte
	rows   int
}

func newParquet(cfg *Config) *parquetFile {
	schema := parquet.NewSchema("flow", inOrder{parquet.Group(parquetColumns())})
	return &parquetFile{writer: parquet.NewGenericWriter[any](cfg.Out, schema, parquet.Compression(&snappy.Codec{}))}
}

// inOrder is a group whose columns are in the order of fields; that of a Group is by name.
type inOrder struct{ parquet.Group }

// Fields is part of parquet.Node.
func (g inOrder) Fields() []parquet.Field {
	byName := make(map[string]parquet.Field, len(fields))
	for _, f := range g.Group.Fields() {
		byName[f.Name()] = f
	}
	ordered := make([]parquet.Field, len(fields))
	for i := range fields {
		ordered[i] = byName[fields[i].name]
	}
	return ordered
}

func parquetColumns() map[string]parquet.Node {
	nodes := make(map[string]parquet.Node, len(fields))
	for _, f := range fields {
		var node parquet.Node
		switch f.kind {
		case wholeNumber:
			node = parquet.Uint(64)
		case decimal:
			node = parquet.Leaf(parquet.DoubleType)
		case moment:
			node = parquet.Timestamp(parquet.Nanosecond)
		default:
			node = parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
		}
		nodes[f.name] = parquet.Optional(node)
	}
	return nodes
}

func (*parquetFile) begin() error { return nil }

func (p *parquetFile) add(f *flow.Flow) error {
	p.row, p.text = p.row[:0], p.text[:0]
	for i := range fields {
		v, ok := p.value(&fields[i], f)
		if !ok {
			p.row = append(p.row, parquet.NullValue().Level(0, 0, i))
			continue
		}
		p.row = append(p.row, v.Level(0, 1, i))
	}
	if _, err := p.writer.WriteRows([]parquet.Row{p.row}); err != nil {
		return err
	}
	if p.rows++; p.rows%parquetRowGroup == 0 {
		return p.writer.Flush()
	}
	return nil
}

// value returns a field, and whether the record has it.
func (p *parquetFile) value(field *field, f *flow.Flow) (v parquet.Value, ok bool) {
	switch field.kind {
	case moment:
		ns := f.Number(field.number)
		return parquet.Int64Value(int64(ns)), ns != 0
	case wholeNumber:
		n := f.Number(field.number)
		return parquet.Int64Value(int64(n)), n != 0 || !field.optional
	default:
		return p.textValue(field, f)
	}
}

// textValue returns a field that is text, or worked out from others.
func (p *parquetFile) textValue(field *field, f *flow.Flow) (v parquet.Value, ok bool) {
	begin := len(p.text)
	p.text = field.append(p.text, f)
	text := p.text[begin:]
	if len(text) == 0 {
		return v, false
	}
	if field.kind == decimal {
		n, err := strconv.ParseFloat(string(text), 64)
		return parquet.DoubleValue(n), err == nil
	}
	return parquet.ByteArrayValue(text), true
}

// idle leaves flows where they are, until there are enough to be written together.
func (*parquetFile) idle() error { return nil }

func (p *parquetFile) end() error { return p.writer.Close() }
