package compose

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// The file that adds ClickHouse and Grafana goes with the one that it is given after:
// what it mounts is there, what it depends on is a service, and images are pinned.
func TestClickHousePipeline(t *testing.T) {
	t.Parallel()
	const deploy = "../.."
	services := map[string]service{}
	var added []string
	for _, file := range []string{"compose.yaml", "compose-clickhouse.yaml"} {
		var p project
		if err := yaml.Unmarshal([]byte(read(t, filepath.Join(deploy, file))), &p); err != nil {
			t.Fatal(err)
		}
		for name, s := range p.Services {
			if file == "compose-clickhouse.yaml" {
				added = append(added, name)
			}
			if s.Image == "" {
				s.Image = services[name].Image
			}
			services[name] = s
		}
	}
	slices.Sort(added)
	if want := []string{"clickhouse", "flowgen", "grafana", "kafka"}; !slices.Equal(added, want) {
		t.Errorf("it has the services %v, want %v", added, want)
	}
	tag := regexp.MustCompile(`:[0-9]+\.[0-9]+`)
	for _, name := range []string{"clickhouse", "grafana", "kafka"} {
		s := services[name]
		if !tag.MatchString(s.Image) {
			t.Errorf("the image of %s is not of one release: %s", name, s.Image)
		}
		for dependency := range s.DependsOn {
			if _, ok := services[dependency]; !ok {
				t.Errorf("%s depends on %s, which is no service", name, dependency)
			}
		}
		for _, v := range s.Volumes {
			file, _, _ := strings.Cut(v, ":")
			if _, err := os.Stat(filepath.Join(deploy, file)); err != nil {
				t.Errorf("%s mounts what is not there: %v", name, err)
			}
		}
	}
	if sql := read(t, "../../../examples/clickhouse/flows.sql"); !strings.Contains(sql, "kafka_broker_list = 'kafka:9092'") || !strings.Contains(sql, "kafka_topic_list = 'flows'") {
		t.Error("flows.sql does not read the topic of the service kafka")
	}
}
