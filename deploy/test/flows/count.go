package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/flowpub/flowpub/internal/command"
)

// count looks for the flows of reports, prints what it found, and returns an error
// unless that is what should be there.
func count(ctx context.Context, args []string, stdout io.Writer) error {
	flags := command.NewFlags()
	brokers := flags.String("brokers", "127.0.0.1:9092", "")
	name := flags.String("topic", "flows", "")
	quiet := flags.Duration("quiet", 5*time.Second, "")
	var lost bounds
	flags.Func("lost", "", func(text string) (err error) {
		lost, err = parseBounds(text)
		return err
	})
	if err := command.Parse(flags, args); err != nil {
		return err
	}
	reports, err := readReports(flags.Args())
	if err != nil {
		return err
	}
	t := newTally(reports)
	in := newTopic(strings.Split(*brokers, ","), *name)
	defer in.close()
	if err := in.read(ctx, t.began, *quiet, t.add); err != nil {
		return err
	}
	return errors.Join(t.print(stdout), verdict(t.sums(), lost))
}

// verdict is what is wrong with the totals, or nil.
func verdict(s sums, lost bounds) error {
	var errs []error
	if !lost.contain(s.lost) {
		errs = append(errs, fmt.Errorf("%d flows are lost: %v were to be", s.lost, lost))
	}
	if s.duplicated > 0 {
		errs = append(errs, fmt.Errorf("%d flows are there more than once", s.duplicated))
	}
	if s.strange > 0 {
		errs = append(errs, fmt.Errorf("%d flows are of exporters that sent none", s.strange))
	}
	return errors.Join(errs...)
}

// readReports reads files with a report each.
func readReports(files []string) ([]report, error) {
	if len(files) == 0 {
		return nil, command.Mistakef("no REPORT: give the files that the output of flows send is in")
	}
	reports := make([]report, len(files))
	for i, file := range files {
		content, err := os.ReadFile(file) //nolint:gosec // the user names it
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(content, &reports[i]); err != nil {
			return nil, fmt.Errorf("report %s: %w: it is to be what flows send has printed", file, err)
		}
		r := &reports[i]
		if whole := (r.Datagrams - r.Templates) * uint64(r.Records); whole == 0 || whole != r.Flows {
			return nil, fmt.Errorf("report %s: %d flows in its datagrams, and %d sent: nothing can be said of such a run", file, whole, r.Flows)
		}
	}
	return reports, nil
}

// bounds are the least and the most of a number.
type bounds struct{ least, most uint64 }

// parseBounds reads one number, which is both, or two.
func parseBounds(text string) (bounds, error) {
	least, most, ranged := strings.Cut(text, "..")
	if !ranged {
		most = least
	}
	from, errFrom := strconv.ParseUint(least, 10, 64)
	to, errTo := strconv.ParseUint(most, 10, 64)
	if errFrom != nil || errTo != nil || from > to {
		return bounds{}, errors.New("give a number, or two such as 0..3000")
	}
	return bounds{from, to}, nil
}

func (b bounds) contain(n uint64) bool { return b.least <= n && n <= b.most }

func (b bounds) String() string {
	if b.least == b.most {
		return strconv.FormatUint(b.least, 10)
	}
	return fmt.Sprintf("%d to %d", b.least, b.most)
}
