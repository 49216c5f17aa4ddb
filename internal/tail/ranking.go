package tail

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/flowpub/flowpub/internal/tail/flow"
	"github.com/flowpub/flowpub/internal/tail/top"
)

// ranking is the output that adds flows up, and shows who has most.
type ranking struct {
	cfg   *Config
	table *top.Table
	out   *bufio.Writer
	began time.Time // of what is added up
	shown bool
}

func newRanking(cfg *Config) *ranking {
	return &ranking{cfg: cfg, table: top.New(cfg.Top), out: bufio.NewWriter(cfg.Out)}
}

func (r *ranking) begin() error {
	r.began = time.Now()
	return nil
}

func (r *ranking) add(f *flow.Flow) error {
	r.table.Add(f)
	return nil
}

// idle shows what has come since it did so last, when it is time.
func (r *ranking) idle() error {
	if r.cfg.Every == 0 {
		return nil
	}
	now := time.Now()
	if now.Sub(r.began) < r.cfg.Every {
		return nil
	}
	err := r.show(now)
	r.table.Reset()
	r.began = now
	return err
}

// end shows what is left, and all if nothing was shown yet.
func (r *ranking) end() error {
	if r.shown && r.table.Total.Flows == 0 {
		return nil
	}
	return r.show(time.Now())
}

func (r *ranking) show(now time.Time) error {
	switch r.cfg.Format {
	case FormatJSON:
		r.showJSON()
	case FormatCSV:
		r.showCSV()
	default:
		r.showTable(now)
	}
	r.shown = true
	return r.out.Flush()
}

// showTable shows the sums to people, with their share of all flows.
func (r *ranking) showTable(now time.Time) {
	if r.shown {
		fmt.Fprintln(r.out)
	}
	keys := r.cfg.Top.Keys
	if r.cfg.Every > 0 {
		fmt.Fprintf(r.out, "%s, %v\n", now.UTC().Format("2006-01-02 15:04:05"), now.Sub(r.began).Round(time.Second))
	}
	var columns []column
	for i, title := range keys.Titles() {
		width := max(len(title), 7)
		if keys.IsAddress(i) {
			width = 15
		}
		columns = append(columns, column{title: title, width: width})
	}
	width := 7
	if r.cfg.Style.Exact {
		width = 14
	}
	for _, title := range []string{"FLOWS", "PACKETS", "OCTETS"} {
		columns = append(columns, column{title: title, width: width, right: true})
	}
	columns = append(columns, column{title: "SHARE", width: 6, right: true})
	shown := table{columns, r.cfg.Style.Color}
	_, _ = r.out.WriteString(shown.header())
	total := counterOf(&r.table.Total, r.cfg.Top.By)
	for _, row := range r.table.Rows() {
		r.writeRow(shown, row.Keys, &row.Sum, total)
	}
	if r.table.Others.Flows > 0 {
		others := append([]string{"others"}, make([]string, len(keys)-1)...)
		r.writeRow(shown, others, &r.table.Others, total)
		fmt.Fprintf(r.out, "others: keys that came when %d were kept; rows above may lack what came later, so add fewer keys, or a filter\n", r.table.Len())
	}
	all := append([]string{"all"}, make([]string, len(keys)-1)...)
	r.writeRow(shown, all, &r.table.Total, total)
}

func (r *ranking) writeRow(t table, keys []string, sum *top.Sum, total uint64) {
	var b []byte
	cell := func(i int, value []byte) { b = t.appendCell(b, i, value) }
	for i, key := range keys {
		cell(i, appendPlain(nil, []byte(key)))
	}
	style := r.cfg.Style
	for i, n := range []uint64{sum.Flows, sum.Packets, sum.Octets} {
		cell(len(keys)+i, style.appendNumber(nil, n))
	}
	if total > 0 {
		share := 100 * float64(counterOf(sum, r.cfg.Top.By)) / float64(total)
		cell(len(keys)+3, append(strconv.AppendFloat(nil, share, 'f', 1, 64), '%'))
	}
	_, _ = r.out.Write(endRow(b, 0)) // an error stays, and Flush returns it
}

func counterOf(s *top.Sum, c top.Counter) uint64 {
	switch c {
	case top.Packets:
		return s.Packets
	case top.Flows:
		return s.Flows
	default:
		return s.Octets
	}
}

// until is the member or column for when a sum ends, where there are several in a row.
const until = "until"

func (r *ranking) showCSV() {
	now := time.Now().UTC().Format(time.RFC3339)
	names := r.cfg.Top.Keys.Names()
	if !r.shown {
		if r.cfg.Every > 0 {
			names = append([]string{until}, names...)
		}
		fmt.Fprintf(r.out, "%s,flows,packets,octets\n", strings.Join(names, ","))
	}
	write := func(keys []string, sum *top.Sum) {
		if r.cfg.Every > 0 {
			keys = append([]string{now}, keys...)
		}
		for i, key := range keys {
			if strings.ContainsAny(key, ",\"\r\n") {
				keys[i] = `"` + strings.ReplaceAll(key, `"`, `""`) + `"`
			}
		}
		fmt.Fprintf(r.out, "%s,%d,%d,%d\n", strings.Join(keys, ","), sum.Flows, sum.Packets, sum.Octets)
	}
	for _, row := range r.table.Rows() {
		write(row.Keys, &row.Sum)
	}
	if r.table.Others.Flows > 0 {
		write(append([]string{"others"}, make([]string, len(r.cfg.Top.Keys)-1)...), &r.table.Others)
	}
}

func (r *ranking) showJSON() {
	now := time.Now().UTC().Format(time.RFC3339)
	names := r.cfg.Top.Keys.Names()
	write := func(keys []string, sum *top.Sum) {
		var b []byte
		separator := byte('{')
		member := func(name, value string) {
			b = append(appendQuoted(append(b, separator), name), ':')
			b = appendQuoted(b, value)
			separator = ','
		}
		if r.cfg.Every > 0 {
			member(until, now)
		}
		for i, key := range keys {
			member(names[i], key)
		}
		fmt.Fprintf(r.out, "%s,\"flows\":%d,\"packets\":%d,\"octets\":%d}\n", b, sum.Flows, sum.Packets, sum.Octets)
	}
	for _, row := range r.table.Rows() {
		write(row.Keys, &row.Sum)
	}
	if r.table.Others.Flows > 0 {
		write([]string{"others"}, &r.table.Others)
	}
}
