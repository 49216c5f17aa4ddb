// Package compose checks the cluster of test/kafka/compose.yaml against the one of
// test/kafka/kafka.sh, with which the tests run.
package compose

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// project is what is used of a compose file.
type project struct {
	Services map[string]service `json:"services"`
}

type service struct {
	Image       string            `json:"image"`
	Environment map[string]string `json:"environment"`
	Ports       []string          `json:"ports"`
	Volumes     []string          `json:"volumes"`
	DependsOn   dependencies      `json:"depends_on"`
}

// dependencies are services that another waits for.
type dependencies map[string]struct{}

// UnmarshalJSON takes both forms: a list, and a map with conditions.
func (d *dependencies) UnmarshalJSON(b []byte) error {
	*d = dependencies{}
	var list []string
	if json.Unmarshal(b, &list) == nil {
		for _, name := range list {
			(*d)[name] = struct{}{}
		}
		return nil
	}
	var conditions map[string]json.RawMessage
	if err := json.Unmarshal(b, &conditions); err != nil {
		return err
	}
	for name := range conditions {
		(*d)[name] = struct{}{}
	}
	return nil
}

const (
	composeFile = "../../../test/kafka/compose.yaml"
	scriptFile  = "../../../test/kafka/kafka.sh"
	brokers     = 3
)

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// find returns what a pattern's group matches in the script.
func find(t *testing.T, pattern string) string {
	t.Helper()
	match := regexp.MustCompile(pattern).FindStringSubmatch(read(t, scriptFile))
	if match == nil {
		t.Fatalf("kafka.sh has nothing like %s", pattern)
	}
	return match[1]
}

func readProject(t *testing.T) project {
	t.Helper()
	var p project
	if err := yaml.Unmarshal([]byte(read(t, composeFile)), &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Services) != brokers {
		t.Fatalf("the file has the services %v, want %d", slices.Sorted(maps.Keys(p.Services)), brokers)
	}
	return p
}

// ofPlace are the settings that say where a broker is and where its data are; they
// differ by nature.
var ofPlace = []string{"node.id", "listeners", "controller.quorum.voters", "log.dirs"}

// scriptSettings are what kafka.sh writes for each of three brokers, but for those
// of its place.
func scriptSettings(t *testing.T) map[string]string {
	t.Helper()
	text := find(t, `(?s)/server\.properties" <<EOF\n(.*?)\nEOF\n`)
	text = strings.NewReplacer("$((replicas > 1 ? 2 : 1))", "2", "$replicas", fmt.Sprint(brokers)).Replace(text)
	settings := make(map[string]string)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if slices.Contains(ofPlace, name) {
			continue
		}
		if strings.Contains(value, "$") {
			t.Fatalf("kafka.sh sets %s to %s, which this test cannot evaluate", name, value)
		}
		settings[name] = value
	}
	return settings
}

// The image takes each setting from a variable: KAFKA_ and the name in capitals,
// with _ for each dot.
func variable(setting string) string {
	return "KAFKA_" + strings.ToUpper(strings.ReplaceAll(setting, ".", "_"))
}

func TestSettingsAreThoseOfTheScript(t *testing.T) {
	t.Parallel()
	// Beside the settings: what the image itself reads, and what two networks need.
	others := []string{
		"CLUSTER_ID", "KAFKA_HEAP_OPTS", "KAFKA_ADVERTISED_LISTENERS", "KAFKA_INTER_BROKER_LISTENER_NAME",
		"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP",
	}
	for _, setting := range ofPlace {
		others = append(others, variable(setting))
	}
	settings := scriptSettings(t)
	if len(settings) < 10 {
		t.Fatalf("kafka.sh has only these settings: %v", settings)
	}
	for name, s := range readProject(t).Services {
		left := maps.Clone(s.Environment)
		for setting, want := range settings {
			if got, found := left[variable(setting)]; !found || got != want {
				t.Errorf("%s: %s is %q, kafka.sh has %s=%s", name, variable(setting), got, setting, want)
			}
			delete(left, variable(setting))
		}
		for _, other := range others {
			if left[other] == "" {
				t.Errorf("%s: %s is missing", name, other)
			}
			delete(left, other)
		}
		for unknown := range left {
			t.Errorf("%s: %s has no counterpart in kafka.sh", name, unknown)
		}
	}
}

func TestReleaseIsThatOfTheScript(t *testing.T) {
	t.Parallel()
	release := find(t, `version=\$\{KAFKA_VERSION:-([^}]+)\}`)
	cluster := find(t, `\ncluster_id=(\S+)\n`)
	heap := find(t, `heap=\$\{KAFKA_HEAP:-([^}]+)\}`)
	for name, s := range readProject(t).Services {
		if want := "docker.io/apache/kafka:" + release; s.Image != want {
			t.Errorf("%s: the image is %s, want %s", name, s.Image, want)
		}
		if got := s.Environment["CLUSTER_ID"]; got != cluster {
			t.Errorf("%s: the cluster's id is %s, want %s", name, got, cluster)
		}
		if got, want := s.Environment["KAFKA_HEAP_OPTS"], "-Xms"+heap+" -Xmx"+heap; got != want {
			t.Errorf("%s: the heap is %s, want %s", name, got, want)
		}
	}
}

// Brokers find each other by the names of their services, and clients outside find
// each at the port that is published for it.
func TestBrokersAreFound(t *testing.T) {
	t.Parallel()
	var voters, outside []string
	services := readProject(t).Services
	for id := range brokers {
		name := fmt.Sprintf("kafka%d", id+1)
		voters = append(voters, fmt.Sprintf("%d@%s:9093", id+1, name))
		outside = append(outside, fmt.Sprintf("127.0.0.1:%d", 19092+id))
	}
	for id := range brokers {
		name := fmt.Sprintf("kafka%d", id+1)
		for what, want := range map[string]string{
			"KAFKA_NODE_ID":                        fmt.Sprint(id + 1),
			"KAFKA_LISTENERS":                      "INSIDE://:9092,OUTSIDE://:19092,CONTROLLER://:9093",
			"KAFKA_ADVERTISED_LISTENERS":           fmt.Sprintf("INSIDE://%s:9092,OUTSIDE://%s", name, outside[id]),
			"KAFKA_CONTROLLER_QUORUM_VOTERS":       strings.Join(voters, ","),
			"KAFKA_INTER_BROKER_LISTENER_NAME":     "INSIDE",
			"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
		} {
			if got := services[name].Environment[what]; got != want {
				t.Errorf("%s: %s is %q, want %q", name, what, got, want)
			}
		}
		if got, want := services[name].Ports, []string{outside[id] + ":19092"}; !slices.Equal(got, want) {
			t.Errorf("%s publishes %v, want %v", name, got, want)
		}
	}
	if line := "KAFKA_BROKERS=" + strings.Join(outside, ",") + " make test-kafka"; !strings.Contains(read(t, composeFile), line) {
		t.Errorf("the file does not say: %s", line)
	}
}
