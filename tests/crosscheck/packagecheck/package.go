package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"
)

type bag struct {
	files   map[string][]byte
	links   map[string]bool
	found   map[string]bool
	named   map[string]string
	altered map[string]bool
	options vector
	trust   trust
	head    *checkpoint
	signed  *signedPackage
	events  []event
	signers map[string]bool
	items   []item
	about   map[string][]event
	listed  bool
}

type signedPackage struct {
	FileCount         string `json:"file_count"`
	ManifestSha256    string `json:"manifest_sha256"`
	PayloadBytes      string `json:"payload_bytes"`
	TagmanifestSha256 string `json:"tagmanifest_sha256"`
	Recipient, Site   string
	Head              struct{ Origin, Root, Size string }
}

type item struct {
	Chains []struct{ Last, Seq, Source string }
	Chunks *string
	File   *string
	ID     string
	Sha256 string
	Size   string `json:"size_bytes"`
}

var line = regexp.MustCompile(`^([0-9a-f]{64})  ([^\x00-\x1f\x7f]+)$`)

func (b *bag) fault(code string, wrong bool) {
	if wrong {
		b.found[code] = true
	}
}

// check does the checks of the specification's table, in its order.
func (b *bag) check(known []byte) {
	b.checkFiles()
	own, isOwn := parseTrust(bytes.TrimSuffix(b.files["data/trust/trust.json"], []byte("\n")))
	b.trust = b.believed(own, bytes.TrimSuffix(known, []byte("\n")))
	b.readContents()
	b.checkSigned()
	b.checkLog()
	isOld := b.trust.number() > own.number()
	b.fault("PKG-014", isOld && b.head != nil && b.head.size >= number(b.trust.Since))
	b.checkEvents()
	if isOwn {
		b.checkKeys(own)
	}
	b.checkChains()
	b.checkItems()
	b.checkBlobs()
	b.checkBelongs()
}

func (b *bag) checkFiles() {
	b.named, b.altered = map[string]string{}, map[string]bool{}
	required := []string{"bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt", "package.dsse.json",
		"data/package.json", "data/trust/trust.json", "data/proofs/checkpoint-head"}
	isRequired := map[string]bool{}
	for _, name := range required {
		isRequired[name] = true
		b.fault("PKG-001", b.files[name] == nil)
	}
	b.fault("PKG-002", len(b.links) > 0)
	for _, manifest := range []string{"manifest-sha256.txt", "tagmanifest-sha256.txt"} {
		for _, text := range strings.Split(strings.TrimSuffix(string(b.files[manifest]), "\n"), "\n") {
			match := line.FindStringSubmatch(text)
			if match == nil {
				b.fault("PKG-001", b.files[manifest] != nil)
				break
			}
			name := strings.NewReplacer("%25", "%", "%0A", "\n", "%0D", "\r").Replace(match[2])
			if name != pathClean(name) {
				b.fault("PKG-002", true)
				continue
			}
			b.named[name] = match[1]
		}
	}
	for name, data := range b.files {
		_, isNamed := b.named[name]
		b.fault("PKG-003", !isNamed && name != "package.dsse.json" && name != "tagmanifest-sha256.txt")
		if isNamed && b.named[name] != sum(data) {
			b.altered[name] = true
			b.fault("PKG-005", true)
		}
	}
	for name := range b.named {
		if b.files[name] == nil {
			b.altered[name] = true
			b.fault("PKG-004", !isRequired[name])
		}
	}
}

func pathClean(name string) string {
	for _, part := range strings.Split(name, "/") {
		if part == "" || part == "." || part == ".." {
			return ""
		}
	}
	return name
}

func (b *bag) checkKeys(own trust) {
	keys := []string{own.log()}
	for _, each := range own.Sources {
		keys = append(keys, each.Key)
		blob := append(wireText("ssh-ed25519"), wireText(string(unhex(each.Key)))...)
		text := "ssh-ed25519 " + base64.StdEncoding.EncodeToString(blob) + " " + each.ID + "\n"
		until := ""
		if each.Until != nil {
			until = "-until-" + *each.Until
		}
		b.fault("PKG-012", string(b.files["data/trust/submit-"+each.ID+until+".pub"]) != text)
	}
	for _, key := range keys {
		der, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(unhex(key)))
		must(err)
		text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		b.fault("PKG-012", !bytes.Equal(b.files["data/trust/keys/"+sum(unhex(key))+".pem"], text))
	}
}

func wireText(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

func (b *bag) readContents() {
	var contents struct {
		Events []string
		Items  []item
	}
	b.listed = json.Unmarshal(b.files["data/package.json"], &contents) == nil
	b.fault("PKG-050", !b.listed && b.files["data/package.json"] != nil)
	b.items = contents.Items
	for _, index := range contents.Events {
		b.fault("PKG-050", b.files["data/events/"+index+".dsse.json"] == nil)
	}
}

func (b *bag) checkSigned() {
	e, err := openEnvelope(b.files["package.dsse.json"])
	if err != nil || e.kind != "application/vnd.evidock.package+json" || !e.isSignedBy(b.trust.centre().Key) {
		b.fault("PKG-010", b.files["package.dsse.json"] != nil)
		return
	}
	s := signedPackage{}
	if json.Unmarshal(e.payload, &s) != nil {
		b.fault("PKG-010", true)
		return
	}
	b.signed = &s
	count, size, isWhole := 0, 0, true
	for name := range b.named {
		if strings.HasPrefix(name, "data/") {
			count, size, isWhole = count+1, size+len(b.files[name]), isWhole && !b.altered[name]
		}
	}
	b.fault("PKG-011", s.ManifestSha256 != sum(b.files["manifest-sha256.txt"]) ||
		s.TagmanifestSha256 != sum(b.files["tagmanifest-sha256.txt"]) || s.FileCount != strconv.Itoa(count) ||
		s.Site != b.trust.Site || isWhole && s.PayloadBytes != strconv.Itoa(size))
	asked := b.options.Options.Recipient
	b.fault("PKG-015", asked != nil && *asked != s.Recipient)
}

func (b *bag) checkLog() {
	path := "data/proofs/checkpoint-head"
	if b.files[path] != nil {
		head, err := openCheckpoint(b.files[path], b.trust.log())
		b.fault("PKG-030", err != nil)
		b.head = head
	}
	if b.head != nil {
		p := b.trust.policyAt(b.head.size)
		times, err := p.cosigners(b.files[path])
		b.fault("PKG-034", err != nil || !p.isMet(times, 0))
		if asked := b.options.Options.MinTime; asked != "" {
			at, err := time.Parse(time.RFC3339, asked)
			must(err)
			b.fault("PKG-035", p.quorum == "none" || !p.isMet(times, at.Unix()))
		}
		if s := b.signed; s != nil {
			b.fault("PKG-011", s.Head.Origin != b.head.origin || s.Head.Size != fmt.Sprint(b.head.size) ||
				s.Head.Root != hex.EncodeToString(b.head.root[:]))
		}
	}
	anchor, proof := b.files["data/proofs/checkpoint-anchor"], b.files["data/proofs/consistency"]
	b.fault("PKG-033", (anchor == nil) != (proof == nil))
	if anchor == nil {
		return
	}
	old, err := openCheckpoint(anchor, b.trust.log())
	b.fault("PKG-030", err != nil)
	if old != nil && b.head != nil {
		b.fault("PKG-033", !b.head.contains(old, strings.Fields(string(proof))))
	}
}

func (b *bag) checkChains() {
	for _, item := range b.items {
		bySource := map[string][]event{}
		for _, e := range b.events {
			if e.asset.ID == item.ID {
				bySource[e.source.ID] = append(bySource[e.source.ID], e)
			}
		}
		ends := map[string][2]string{}
		for _, chain := range item.Chains {
			ends[chain.Source] = [2]string{chain.Seq, chain.Last}
			b.fault("PKG-040", bySource[chain.Source] == nil)
		}
		for name, chain := range bySource {
			sort.Slice(chain, func(i, j int) bool { return chain[i].asset.number() < chain[j].asset.number() })
			last, number := strings.Repeat("0", 64), 0
			for _, e := range chain {
				number++
				b.fault("PKG-040", e.asset.number() != number || e.asset.Prev != last)
				last = e.hash
			}
			b.fault("PKG-040", ends[name] != [2]string{strconv.Itoa(number), last})
		}
	}
	before := map[string]event{}
	for _, e := range b.events { // by place in the log
		if old, isThere := before[e.source.ID]; isThere {
			b.fault("PKG-041", e.source.number() <= old.source.number() ||
				e.source.number() == old.source.number()+1 && e.source.Prev != old.hash)
		}
		before[e.source.ID] = e
	}
}

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

func unhex(text string) []byte {
	data, _ := hex.DecodeString(text)
	return data
}
