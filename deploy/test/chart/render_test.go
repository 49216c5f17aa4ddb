//go:build helm

package chart

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const kubernetes = "../../kubernetes"

// object is a rendered object.
type object = map[string]any

// sides are what Helm and kustomize are given to render the same.
var sides = []struct {
	name       string
	values     []string
	resource   string
	components []string
}{
	{name: "base", resource: "base"},
	{name: "plaintext", values: []string{"examples/plaintext.yaml"}, resource: "overlays/plaintext"},
	{name: "aws-nlb", values: []string{"examples/aws-nlb.yaml"}, resource: "overlays/aws-nlb"},
	{name: "azure", values: []string{"examples/azure.yaml"}, resource: "overlays/azure"},
	{name: "gke", values: []string{"examples/gke.yaml"}, resource: "overlays/gke"},
	{name: "metallb-bgp", values: []string{"examples/metallb-bgp.yaml"}, resource: "overlays/metallb-bgp"},
	{name: "tls-sasl", values: []string{"kafkaSecrets.enabled=true"}, resource: "base", components: []string{"tls-sasl"}},
	{name: "monitoring", values: []string{"monitoring.enabled=true"}, resource: "base", components: []string{"monitoring"}},
	{name: "strimzi", values: []string{"strimzi.enabled=true"}, resource: "base", components: []string{"strimzi"}},
	{name: "fixed-replicas", values: []string{"autoscaling.enabled=false"}, resource: "base", components: []string{"fixed-replicas"}},
}

func TestChartIsKustomize(t *testing.T) {
	t.Parallel()
	for _, side := range sides {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			helm := byName(t, withoutHelm(t, template(t, side.values)))
			kustomized := byName(t, withoutHash(kustomize(t, side.resource, side.components)))
			for _, name := range slices.Sorted(maps.Keys(kustomized)) {
				want := canonical(t, kustomized[name])
				if got := canonical(t, helm[name]); got != want {
					t.Errorf("%s differs: - kustomize, + the chart\n%s", name, diff(t, want, got))
				}
			}
			for name := range helm {
				if kustomized[name] == nil {
					t.Errorf("only the chart has %s", name)
				}
			}
		})
	}
}

// Every overlay and component is compared, or it is known why not.
func TestNothingIsForgotten(t *testing.T) {
	t.Parallel()
	excused := map[string]bool{
		"overlays/hostnetwork": true, // README.md: another kind of object, kustomize's only
		"overlays/quickstart":  true, // a demo with a Kafka of its own
	}
	compared := make(map[string]bool)
	for _, side := range sides {
		compared[side.resource] = true
		for _, component := range side.components {
			compared["components/"+component] = true
		}
	}
	for _, pattern := range []string{"overlays/*", "components/*"} {
		folders, err := filepath.Glob(filepath.Join(kubernetes, pattern))
		if err != nil || len(folders) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, folder := range folders {
			name, _ := filepath.Rel(kubernetes, folder)
			if !compared[name] && !excused[name] {
				t.Errorf("%s is not compared with the chart", name)
			}
		}
	}
	examples, err := filepath.Glob(filepath.Join(dir, "examples", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, example := range examples {
		if !compared["overlays/"+strings.TrimSuffix(filepath.Base(example), ".yaml")] {
			t.Errorf("%s is no overlay's", example)
		}
	}
}

// Mistakes that Kubernetes would not notice are refused.
func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	for _, mistake := range []string{
		"imag.tag=v1", "image.digest=abc", "config.KAFKA_BROKERS=a:1", "replicas=0", "networkPolicy.exporters={10.0.0.1}",
		"service.port=70000", "autoscaling.cpuUtilization=half", "monitoring.enable=true",
	} {
		if out, err := run(t, "template", "flowpub", dir, "--set", mistake); err == nil || !bytes.Contains(out, []byte("values don't meet the specifications")) {
			t.Errorf("%s: %v: %s", mistake, err, out)
		}
	}
}

// With these values flows would be lost, and no object is wrong.
func TestLossesAreRefused(t *testing.T) {
	t.Parallel()
	for values, cure := range map[string]string{
		"terminationGracePeriodSeconds=42":               "FLOWPUB_SHUTDOWN_TIMEOUT and 5 s come to 43",
		"preStopSeconds=40":                              "come to 68",
		"config.FLOWPUB_SHUTDOWN_TIMEOUT=1m0.5s":         "come to 89",
		"config.FLOWPUB_DRAIN_LINGER=41s":                "come to 76",
		"config.FLOWPUB_LISTEN=:9995":                    "the Service sends to port 2055",
		`config.FLOWPUB_LISTEN=0.0.0.0:20550\,[::]:6343`: "give service.spec.ports",
	} {
		if out, err := run(t, "template", "flowpub", dir, "--set", values); err == nil || !bytes.Contains(out, []byte(cure)) {
			t.Errorf("%s: %v: %s", values, err, out)
		}
	}
	for _, values := range []string{
		"terminationGracePeriodSeconds=43", "config.FLOWPUB_SHUTDOWN_TIMEOUT=32000ms", `config.FLOWPUB_LISTEN=:6343\, :2055`,
		"config.FLOWPUB_LISTEN=:9995,service.spec.ports[0].port=9995",
	} {
		if out, err := run(t, "template", "flowpub", dir, "--set", values); err != nil {
			t.Errorf("%s: %v: %s", values, err, out)
		}
	}
}

// Numbers in a file of values are what they are there.
func TestNumbersOfSettings(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte("config: {GOMEMLIMIT: 1073741824, FLOWPUB_SOCKETS: 4, GOGC: 1.5, FLOWPUB_KAFKA_TLS: true}"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := run(t, "template", "flowpub", dir, "--values", file, "--show-only", "templates/configmap.yaml")
	for _, line := range []string{`GOMEMLIMIT: "1073741824"`, `FLOWPUB_SOCKETS: "4"`, `GOGC: "1.5"`, `FLOWPUB_KAFKA_TLS: "true"`} {
		if err != nil || !bytes.Contains(out, []byte(line)) {
			t.Errorf("%v: %s is not in\n%s", err, line, out)
		}
	}
}

// What the base has no place for arrives where it should.
func TestFurtherValues(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("a", 64)
	objects := byName(t, template(t, []string{
		"image.digest=" + digest, "config.FLOWPUB_KAFKA_TOPIC=x", "nodeSelector.a=b", "priorityClassName=high", "extraEnv[0].name=A", "extraEnv[0].value=b",
		"extraVolumes[0].name=v", "extraVolumes[0].emptyDir.sizeLimit=1Mi", "extraVolumeMounts[0].name=v", "extraVolumeMounts[0].mountPath=/v",
		"networkPolicy.kafka[0].ports[0].port=9096", "resources.limits.memory=1Gi", "image.pullSecrets[0].name=r",
	}))
	var deployment struct {
		Spec struct {
			Template struct {
				Spec struct {
					NodeSelector      map[string]string
					PriorityClassName string
					ImagePullSecrets  []map[string]string
					Volumes           []object
					Containers        []struct {
						Image        string
						Env          []map[string]string
						Resources    object
						VolumeMounts []map[string]string
					}
				}
			}
		}
	}
	decode(t, objects["Deployment flowpub/flowpub"], &deployment)
	pod := deployment.Spec.Template.Spec
	container := pod.Containers[0]
	if pod.NodeSelector["a"] != "b" || pod.PriorityClassName != "high" || pod.ImagePullSecrets[0]["name"] != "r" || pod.Volumes[0]["name"] != "v" ||
		container.Image != "ghcr.io/flowpub/flowpub@"+digest || container.Env[0]["value"] != "b" || container.VolumeMounts[0]["mountPath"] != "/v" ||
		canonical(t, container.Resources) != canonical(t, object{"limits": object{"memory": "1Gi"}}) {
		t.Errorf("the deployment is %s", canonical(t, deployment))
	}
	if text := canonical(t, objects["NetworkPolicy flowpub/flowpub"]); strings.Contains(text, "9092") || !strings.Contains(text, "9096") || !strings.Contains(text, "kube-dns") {
		t.Errorf("the network policy is %s", text)
	}
	if text := canonical(t, objects["ConfigMap flowpub/flowpub"]); !strings.Contains(text, `"FLOWPUB_KAFKA_TOPIC": "x"`) || !strings.Contains(text, "FLOWPUB_DRAIN_LINGER") {
		t.Errorf("the settings are %s", text)
	}
}

// Another configuration rolls the pods; the same does not.
func TestConfigurationRolls(t *testing.T) {
	t.Parallel()
	checksum := func(values ...string) string {
		text := canonical(t, byName(t, template(t, values))["Deployment flowpub/flowpub"])
		return regexp.MustCompile(`"checksum/config": "[0-9a-f]{64}"`).FindString(text)
	}
	before := checksum()
	if before == "" || before != checksum("podAnnotations.a=b") || before == checksum("config.FLOWPUB_KAFKA_TOPIC=other") {
		t.Errorf("checksums: %q, %q with an annotation, %q with another topic", before, checksum("podAnnotations.a=b"), checksum("config.FLOWPUB_KAFKA_TOPIC=other"))
	}
}

func TestLint(t *testing.T) {
	t.Parallel()
	if out, err := run(t, "lint", "--strict", dir); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// run runs the helm that HELM names.
func run(t *testing.T, args ...string) ([]byte, error) {
	t.Helper()
	helm := os.Getenv("HELM")
	if helm == "" {
		t.Fatal("HELM names no helm: run make test-chart")
	}
	return exec.CommandContext(t.Context(), helm, append(args, "--kube-version", "1.31.0")...).CombinedOutput()
}

// template renders the chart; values are files of it, or assignments.
func template(t *testing.T, values []string) []object {
	t.Helper()
	args := []string{"template", "flowpub", dir, "--namespace", "flowpub", "--skip-tests"}
	for _, value := range values {
		if strings.HasPrefix(value, "examples/") {
			args = append(args, "--values", filepath.Join(dir, value))
		} else {
			args = append(args, "--set", value)
		}
	}
	out, err := run(t, args...)
	if err != nil {
		t.Fatalf("helm %q: %v: %s", args, err, out)
	}
	// Helm tells of links that it follows, before the objects.
	if _, objects, found := bytes.Cut(out, []byte("---\n")); found {
		out = objects
	}
	return documents(t, out)
}

// kustomize renders a resource with components.
func kustomize(t *testing.T, resource string, components []string) []object {
	t.Helper()
	target := filepath.Join(kubernetes, resource)
	if len(components) > 0 {
		root, err := filepath.Abs(kubernetes)
		if err != nil {
			t.Fatal(err)
		}
		target, err = os.MkdirTemp(root, ".work.") //nolint:usetesting // kustomize takes relative paths only, so it is below
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(target) })
		text := "resources: [../" + resource + "]\ncomponents:\n"
		for _, component := range components {
			text += "- ../components/" + component + "\n"
		}
		if err := os.WriteFile(filepath.Join(target, "kustomization.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), target)
	if err != nil {
		t.Fatal(err)
	}
	text, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return documents(t, text)
}

func documents(t *testing.T, text []byte) []object {
	t.Helper()
	var objects []object
	for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
		var o object
		// The line break at the end may be a text's.
		if err := yaml.Unmarshal(append(bytes.Clone(document), '\n'), &o); err != nil {
			t.Fatalf("%v in %s", err, document)
		}
		if len(o) > 0 {
			objects = append(objects, o)
		}
	}
	return objects
}

func decode(t *testing.T, from object, to any) {
	t.Helper()
	text, err := yaml.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, to); err != nil {
		t.Fatal(err)
	}
}

// ofComponents are kinds that only components have.
var ofComponents = map[string]bool{"PodMonitor": true, "PrometheusRule": true, "KafkaTopic": true, "KafkaUser": true}

// withoutHelm takes away what only Helm has: its labels, and the checksum that rolls
// pods. The image's tag is the chart's version.
func withoutHelm(t *testing.T, objects []object) []object {
	t.Helper()
	for _, o := range objects {
		labels := within(o, "metadata", "labels")
		for _, label := range []string{"app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"} {
			if labels[label] == nil {
				t.Errorf("%s lacks the label %s", o["kind"], label)
			}
			delete(labels, label)
		}
		// The chart says of every object what it is part of, kustomize of the base's only.
		if ofComponents[text(o, "kind")] || text(within(o, "metadata"), "name") == "flowpub-dashboard" {
			delete(labels, "app.kubernetes.io/part-of")
		}
		if len(labels) == 0 {
			delete(within(o, "metadata"), "labels")
		}
		if o["kind"] == "Deployment" {
			template := within(o, "spec", "template", "metadata")
			annotations := within(template, "annotations")
			delete(annotations, "checksum/config")
			if len(annotations) == 0 {
				delete(template, "annotations")
			}
		}
	}
	return objects
}

// withoutHash takes away what only kustomize has: the hash in the name of settings, and
// the namespace itself, which helm makes no object of.
func withoutHash(objects []object) []object {
	text, _ := yaml.Marshal(objects)
	text = regexp.MustCompile(`(name: flowpub)-[a-z0-9]{10}\b`).ReplaceAll(text, []byte("$1"))
	text = regexp.MustCompile(`(image: ghcr.io/flowpub/flowpub):\S+`).ReplaceAll(text, []byte("$1:v0.0.0"))
	objects = nil
	_ = yaml.Unmarshal(text, &objects)
	return slices.DeleteFunc(objects, func(o object) bool { return o["kind"] == "Namespace" })
}

// within returns the map at a path; it is nil where there is none.
func within(o object, path ...string) object {
	for _, name := range path {
		o, _ = o[name].(object)
	}
	return o
}

// text returns a field that is a text; it is empty where it is none.
func text(o object, field string) string {
	value, _ := o[field].(string)
	return value
}

func byName(t *testing.T, objects []object) map[string]object {
	t.Helper()
	named := make(map[string]object)
	for _, o := range objects {
		metadata := within(o, "metadata")
		name := text(o, "kind") + " " + text(metadata, "namespace") + "/" + text(metadata, "name")
		if named[name] != nil {
			t.Errorf("there are two of %s", name)
		}
		named[name] = o
	}
	return named
}

// diff shows lines that differ.
func diff(t *testing.T, want, got string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{"kustomize": want, "chart": got} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "diff", "-U2", "kustomize", "chart")
	command.Dir = folder
	out, _ := command.Output() // status 1: they differ
	var lines strings.Builder
	for line := range strings.Lines(string(out)) {
		lines.WriteString(strings.TrimSuffix(line[:min(len(line), 300)], "\n") + "\n")
	}
	return lines.String()
}

// canonical is a value as text in which order does not count.
func canonical(t *testing.T, value any) string {
	t.Helper()
	text, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
