package manifests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// asReleased has git find this tree where manifests name a release of it by its address.
// It returns the release's version, which is that of the base's image.
func asReleased(t *testing.T) string {
	t.Helper()
	base, err := os.ReadFile(kubernetes + "/base/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`newTag: (v\S+)`).FindSubmatch(base)
	if version == nil {
		t.Fatal("the base has no version of its image")
	}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull) // such as one that signs commits
	dir := t.TempDir()
	repository := filepath.Join(dir, "flowpub.git")
	if err := os.CopyFS(repository+"/deploy/kubernetes", os.DirFS(kubernetes)); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{
		"init --quiet", "add --all",
		"-c user.name=test -c user.email=test@example.com commit --quiet --message release", "tag " + string(version[1]),
	} {
		git := exec.CommandContext(t.Context(), "git", strings.Fields(command)...)
		git.Dir = repository
		if out, err := git.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v: %s", command, err, out)
		}
	}
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "url.file://"+dir+"/.insteadOf")
	t.Setenv("GIT_CONFIG_VALUE_0", "https://github.com/flowpub/")
	return string(version[1])
}

// own is the example of an own overlay, with a line changed.
func own(t *testing.T, line, changed string) *installation {
	t.Helper()
	text, err := os.ReadFile(kubernetes + "/examples/own/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), line) {
		t.Fatalf("the example has no line %q", line)
	}
	dir := t.TempDir()
	text = []byte(strings.Replace(string(text), line, changed, 1))
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	in, findings, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range append(findings, in.check(false)...) {
		t.Error(finding)
	}
	return in
}

// The example of an own overlay, which takes the rest from a release by its address,
// changes what it says, with a namespace and a digest of one's own too.
func TestOwnOverlay(t *testing.T) {
	version := asReleased(t)
	digest := "sha256:" + strings.Repeat("0123456789abcdef", 4)
	tests := []struct {
		name, line, changed string
		image, namespace    string
	}{
		{"as it is", "", "", "ghcr.io/flowpub/flowpub:" + version, "flowpub"},
		{"pinned", "    newTag: " + version + "\n", "    digest: " + digest + "\n", "ghcr.io/flowpub/flowpub@" + digest, "flowpub"},
		{"another namespace", "# namespace: netflow\n", "namespace: netflow\n", "ghcr.io/flowpub/flowpub:" + version, "netflow"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := own(t, tt.line, tt.changed)
			c := &in.collector().pod.Spec.Containers[0]
			if c.Image != tt.image {
				t.Errorf("the image is %s, want %s", c.Image, tt.image)
			}
			environment := in.environment(c)
			if environment["FLOWPUB_KAFKA_TOPIC"] != "netflow" || environment["FLOWPUB_KAFKA_TLS"] != "true" {
				t.Errorf("the settings are %v, want the topic of the example, and TLS of the component", environment)
			}
			for _, namespace := range []string{
				in.namespaces[0].Name, in.services[0].Namespace, in.policies[0].Namespace, in.monitors[0].Namespace, in.rules[0].Namespace,
			} {
				if namespace != tt.namespace {
					t.Errorf("an object is in, or is, the namespace %s, want %s", namespace, tt.namespace)
				}
			}
		})
	}
}

// The component for Strimzi can be applied by itself, as docs/kubernetes.md does, and has
// the base's topics and what flowpub may do with them.
func TestStrimziByItself(t *testing.T) {
	t.Parallel()
	in, findings, err := load(kubernetes + "/components/strimzi")
	if err != nil || len(findings) > 0 {
		t.Fatal(err, findings)
	}
	base, _, err := load(kubernetes + "/base")
	if err != nil {
		t.Fatal(err)
	}
	// As docs/security.md has them.
	operations := map[string][]string{
		"FLOWPUB_KAFKA_TOPIC":          {"Write", "Describe", "DescribeConfigs"},
		"FLOWPUB_KAFKA_TEMPLATE_TOPIC": {"Read", "Write", "Describe", "DescribeConfigs"},
	}
	environment := base.environment(&base.collector().pod.Spec.Containers[0])
	for variable, want := range operations {
		topic, declared := environment[variable], false
		var allowed []string
		for _, object := range in.strimzi {
			declared = declared || object.Kind == "KafkaTopic" && object.Metadata.Name == topic
			if object.Spec.Authorization == nil {
				continue
			}
			for _, acl := range object.Spec.Authorization.ACLs {
				if acl.Resource["type"] == "topic" && acl.Resource["name"] == topic {
					allowed = append(allowed, acl.Operations...)
				}
			}
		}
		if topic == "" || !declared || !slices.Equal(allowed, want) {
			t.Errorf("%s=%s: is declared: %v; flowpub may %v, want %v", variable, topic, declared, allowed, want)
		}
	}
}

// What documents apply or list is there, and none of them waits for `kubectl diff` to
// end with status 0, which it does only when there is nothing to apply.
func TestDocumentedPaths(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile(`deploy/kubernetes/((?:base|overlays|components|examples)(?:[a-z/.-]*[a-z])?)`)
	chained := regexp.MustCompile(`(?m)^    kubectl diff .*&&`)
	names := 0
	for _, file := range []string{"../../../README.md", "../../../docs/kubernetes.md", "../../../docs/monitoring.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range named.FindAllStringSubmatch(string(text), -1) {
			names++
			if _, err := os.Stat(filepath.Join(kubernetes, found[1])); err != nil {
				t.Errorf("%s names deploy/kubernetes/%s: %v", file, found[1], err)
			}
		}
		if found := chained.Find(text); found != nil {
			t.Errorf("%s: %s: it ends with status 1 on differences, and what follows never runs", file, found)
		}
	}
	if names < 5 {
		t.Errorf("found %d paths, want 5 at least", names)
	}
}
