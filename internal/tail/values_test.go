package tail

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/internal/tail/flow"
	"github.com/flowpub/flowpub/internal/tail/tailtest"
)

// What docs/values.md shows as a flow in JSON is read, and printed with the same
// members and values; what is added to them is told there.
func TestJSONIsAsDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/values.md")
	if err != nil {
		t.Fatal(err)
	}
	sample := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(doc)
	if sample == nil {
		t.Fatal("docs/values.md shows no flow in JSON")
	}
	var shown, printed map[string]any
	if err := json.Unmarshal(sample[1], &shown); err != nil {
		t.Fatal(err)
	}
	var f flow.Flow
	if err := f.Decode(flow.JSON, sample[1]); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(appendJSON(nil, &f), &printed); err != nil {
		t.Fatal(err)
	}
	var added []string
	for name, value := range printed {
		if _, ok := shown[name]; !ok {
			added = append(added, name)
		} else if !reflect.DeepEqual(value, shown[name]) {
			t.Errorf("%s is printed as %v, and %v in docs/values.md", name, value, shown[name])
		}
	}
	for name := range shown {
		if _, ok := printed[name]; !ok {
			t.Errorf("%s is in docs/values.md and not printed", name)
		}
	}
	text := strings.Join(strings.Fields(string(doc)), " ")
	slices.Sort(added)
	if want := []string{"bitsPerSecond", "durationSeconds", "protocolName", "tcpFlagLetters"}; !slices.Equal(added, want) ||
		!strings.Contains(text, "four more that follow from them: `durationSeconds`, `protocolName`, `tcpFlagLetters` and `bitsPerSecond`") {
		t.Errorf("the members %v are added, want %v, and docs/values.md to say so", added, want)
	}
}

// Times have nine decimals, so that they sort as text.
func TestTimesSort(t *testing.T) {
	t.Parallel()
	f := decoded(t, tailtest.Web())
	for _, name := range []string{"startTime", "receiveTime"} {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		if got := string(fields[i].append(nil, f)); !regexp.MustCompile(`^2023-11-14T22:13:2\d\.\d{9}Z$`).MatchString(got) {
			t.Errorf("%s is %s, want nine decimals", name, got)
		}
	}
}
