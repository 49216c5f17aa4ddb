package house

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A room of so many files, doc.go not counted, says what is in each.
const roomOfMany = 3

// fileName is one as documents write it, perhaps with a star for systems.
var fileName = regexp.MustCompile(`[\w*]+(\.pb)?\.go\b`)

// rooms returns the Go files of each folder.
func rooms(t *testing.T) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	for _, file := range tree(t, ".go") {
		all[path.Dir(file)] = append(all[path.Dir(file)], path.Base(file))
	}
	return all
}

// Each doc.go names every file of its room, and none that is not there. Files for tests may
// be left out.
func TestRoomsListTheirFiles(t *testing.T) {
	t.Parallel()
	listed := 0
	for room, files := range rooms(t) {
		code := slices.DeleteFunc(slices.Clone(files), func(file string) bool {
			return file == "doc.go" || strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, ".pb.go")
		})
		if !slices.Contains(files, "doc.go") {
			if len(code) >= roomOfMany {
				t.Errorf("%s has %d files and no doc.go", room, len(code))
			}
			continue
		}
		listed++
		text := read(t, room+"/doc.go")
		names := fileName.FindAllString(text, -1)
		for _, name := range names {
			if !slices.ContainsFunc(files, func(file string) bool { return matches(name, file) }) {
				t.Errorf("%s/doc.go lists %s, which is not there", room, name)
			}
		}
		if len(code) < roomOfMany {
			continue
		}
		for _, file := range code {
			if !slices.ContainsFunc(names, func(name string) bool { return matches(name, file) }) {
				t.Errorf("%s/doc.go does not list %s", room, file)
			}
		}
	}
	if listed < 30 {
		t.Errorf("%d rooms have a doc.go, want 30 at least", listed)
	}
}

// matches reports whether a name as documents write it is that of a file. Files with the name of
// a system behind it belong to the one without.
func matches(name, file string) bool {
	if name == file {
		return true
	}
	for _, system := range []string{"_linux.go", "_unix.go", "_other.go"} {
		if stem, has := strings.CutSuffix(file, system); has && (name == stem+".go" || name == stem+"_*.go") {
			return true
		}
	}
	matched, _ := path.Match(name, file) // the pattern of names is simple: it cannot be wrong
	return matched
}

// docs/architecture.md has every folder with code, by itself or with those below another. What it
// says of files is there.
func TestArchitectureIsTrue(t *testing.T) {
	t.Parallel()
	text := read(t, "docs/architecture.md")
	house, _, _ := strings.Cut(text, "## Who may know whom")
	_, house, _ = strings.Cut(house, "## The house")
	code := regexp.MustCompile("`([^`\n]+)`")
	var folders []string
	for line := range strings.Lines(house) {
		cell, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		for _, found := range code.FindAllStringSubmatch(cell, -1) {
			folders = append(folders, found[1])
		}
	}
	all := rooms(t)
	for room := range all {
		if !slices.ContainsFunc(folders, func(folder string) bool {
			above, several := strings.CutSuffix(folder, "/…")
			return folder == room || several && path.Dir(room) == above
		}) {
			t.Errorf("docs/architecture.md does not say what is in %s", room)
		}
	}
	if len(folders) < 40 {
		t.Errorf("docs/architecture.md has %d folders, want 40 at least", len(folders))
	}

	// A file without a folder is in that of the file before it.
	files := 0
	for line := range strings.Lines(text) {
		var before []string
		for _, found := range code.FindAllStringSubmatch(line, -1) {
			name := found[1]
			if dir := path.Clean(name); all[dir] != nil {
				before = append(before, dir)
			}
			if !fileName.MatchString(name) || strings.Contains(name, " ") {
				continue
			}
			files++
			candidates := []string{path.Dir(name)}
			for _, dir := range before {
				candidates = append(candidates, path.Join(dir, path.Dir(name)))
			}
			if !slices.ContainsFunc(candidates, func(dir string) bool {
				return slices.ContainsFunc(all[dir], func(file string) bool { return matches(path.Base(name), file) })
			}) && name != "doc.go" && !strings.Contains(name, "/*/") {
				t.Errorf("docs/architecture.md names %s, which is not there: %s", name, line)
			}
			before = append(before, candidates...)
		}
	}
	if files < 80 {
		t.Errorf("docs/architecture.md names %d files, want 80 at least", files)
	}
}
