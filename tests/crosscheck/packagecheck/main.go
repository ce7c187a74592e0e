// Packagecheck is a second verifier of evidence packages, in another language and with no line of the first: Go's own
// Ed25519, SHA-256 and JSON, and the code of its checksum database for notes and proofs (golang.org/x/mod/sumdb).
//
// It reads the public vectors (packagecheck VECTORS), makes each package in memory, and prints a line for each: the
// path, then the codes that it found; for the published proofs, the names of those that it judges otherwise. It has no
// limits of size and is no judge of hostile input: it is there to show that docs/spec and the vectors mean one thing.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

type vector struct {
	Base    string
	Options struct {
		MinTime   string `json:"min_time"`
		Recipient *string
	}
	Put []struct {
		Path               string
		Text, Base64, Link *string
	}
	Remove []string
	Trust  *string
}

func main() {
	folder := os.Args[1]
	var index []struct{ Path, Kind string }
	must(json.Unmarshal(read(filepath.Join(folder, "index.json")), &index))
	for _, entry := range index {
		switch entry.Kind {
		case "package":
			fmt.Println(entry.Path, strings.Join(checkVector(folder, entry.Path), " "))
		case "proofs":
			fmt.Println(entry.Path, strings.Join(checkProofs(read(filepath.Join(folder, entry.Path))), " "))
		}
	}
}

func checkVector(folder, path string) []string {
	keys := "trust.json"
	v := vector{Base: strings.TrimPrefix(path, "packages/"), Trust: &keys}
	if v.Base != "good" {
		keys = "trust-" + v.Base + ".json"
	}
	if strings.HasSuffix(path, ".json") {
		must(json.Unmarshal(read(filepath.Join(folder, path)), &v))
	}
	b := bag{files: map[string][]byte{}, links: map[string]bool{}, found: map[string]bool{}, options: v}
	base := filepath.Join(folder, "packages", v.Base)
	must(filepath.Walk(base, func(name string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			relative, _ := filepath.Rel(base, name)
			b.files[filepath.ToSlash(relative)] = read(name)
		}
		return err
	}))
	for _, name := range v.Remove {
		delete(b.files, name)
	}
	for _, put := range v.Put {
		delete(b.files, put.Path)
		switch {
		case put.Link != nil:
			b.links[put.Path] = true
		case put.Text != nil:
			b.files[put.Path] = []byte(*put.Text)
		default:
			data, err := base64.StdEncoding.DecodeString(*put.Base64)
			must(err)
			b.files[put.Path] = data
		}
	}
	var known []byte
	if v.Trust != nil {
		known = read(filepath.Join(folder, "packages", *v.Trust))
	}
	b.check(known)
	codes := []string{}
	for code := range b.found {
		codes = append(codes, code)
	}
	sort.Strings(codes)
	return codes
}

func read(name string) []byte {
	data, err := os.ReadFile(name)
	must(err)
	return data
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
