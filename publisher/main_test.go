package publisher

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets more tests run at the same time than there are processors: most of
// them wait for brokers that are slow, or away, on purpose.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", "4"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
