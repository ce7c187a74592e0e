package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type checkpoint struct {
	origin string
	size   int64
	root   tlog.Hash
}

func openCheckpoint(data []byte, key string) (*checkpoint, error) {
	origin := "sigsum.org/v1/tree/" + sum(unhex(key))
	vkey, err := note.NewEd25519VerifierKey(origin, ed25519.PublicKey(unhex(key)))
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != origin || lines[3] != "" {
		return nil, errors.New("no checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != lines[1] {
		return nil, errors.New("size")
	}
	root, err := tlog.ParseHash(lines[2])
	return &checkpoint{origin, size, root}, err
}

func (c *checkpoint) includes(index int64, leaf []byte, path []string) bool {
	proof, err := hashes(path)
	return err == nil && tlog.CheckRecord(proof, c.size, c.root, index, tlog.RecordHash(leaf)) == nil
}

func (c *checkpoint) contains(old *checkpoint, path []string) bool {
	proof, err := hashes(path)
	return err == nil && tlog.CheckTree(proof, c.size, c.root, old.size, old.root) == nil
}

func hashes(texts []string) ([]tlog.Hash, error) {
	all := []tlog.Hash{}
	for _, text := range texts {
		raw, err := hex.DecodeString(text)
		if err != nil || len(raw) != tlog.HashSize {
			return nil, fmt.Errorf("no hash: %q", text)
		}
		all = append(all, *(*tlog.Hash)(raw))
	}
	return all, nil
}

type sigsumProof struct {
	log, keyHash, root string
	leafSignature      []byte
	size, index        int64
	path               []string
}

var proofForm = regexp.MustCompile(`^version=2\nlog=([0-9a-f]{64})\nleaf=([0-9a-f]{64}) ([0-9a-f]{128})\n\n` +
	`size=(\d+)\nroot_hash=([0-9a-f]{64})\nsignature=[0-9a-f]{128}\n(?:cosignature=.*\n)*\nleaf_index=(\d+)\n((?:node_hash=[0-9a-f]{64}\n)*)$`)

func parseProof(data []byte) (*sigsumProof, error) {
	match := proofForm.FindStringSubmatch(string(data))
	if match == nil {
		return nil, errors.New("no proof")
	}
	p := &sigsumProof{log: match[1], keyHash: match[2], leafSignature: unhex(match[3]), root: match[5]}
	p.size, _ = strconv.ParseInt(match[4], 10, 64)
	p.index, _ = strconv.ParseInt(match[6], 10, 64)
	p.path = strings.Fields(strings.ReplaceAll(match[7], "node_hash=", ""))
	return p, nil
}

// witness is a note.Verifier of cosignature/v1 (C2SP tlog-cosignature), which x/mod does not know.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }
func (w witness) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(signature), text)
	return ed25519.Verify(w.key, []byte(message), signature[8:])
}

type policy struct {
	witnesses map[string]witness
	groups    map[string][]string // threshold and members
	quorum    string
}

func parsePolicy(text string) policy {
	p := policy{map[string]witness{}, map[string][]string{}, "none"}
	for _, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) >= 3 && words[0] == "witness":
			vkey := strings.SplitN(words[2], "+", 3)
			material, err := base64.StdEncoding.DecodeString(vkey[2])
			must(err)
			digest := sha256.Sum256([]byte(vkey[0] + "\n" + string(material)))
			p.witnesses[words[1]] = witness{vkey[0], binary.BigEndian.Uint32(digest[:]), material[1:]}
		case len(words) >= 4 && words[0] == "group":
			p.groups[words[1]] = words[2:]
		case len(words) == 2 && words[0] == "quorum":
			p.quorum = words[1]
		}
	}
	return p
}

// cosigners returns when each witness cosigned a note; that one of them does not fit is an error.
func (p policy) cosigners(data []byte) (map[string]int64, error) {
	times := map[string]int64{}
	verifiers, names := []note.Verifier{}, map[string]string{}
	for name, w := range p.witnesses {
		verifiers, names[w.name] = append(verifiers, w), name
	}
	opened, err := note.Open(data, note.VerifierList(verifiers...))
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		return times, nil // by none of them
	}
	if err != nil {
		return nil, err
	}
	for _, each := range opened.Sigs {
		raw, err := base64.StdEncoding.DecodeString(each.Base64)
		must(err)
		times[names[each.Name]] = int64(binary.BigEndian.Uint64(raw[4:]))
	}
	return times, nil
}

// isMet says whether those who cosigned at or after an instant are enough.
func (p policy) isMet(times map[string]int64, since int64) bool {
	return p.quorum == "none" || p.counts(p.quorum, times, since)
}

func (p policy) counts(name string, times map[string]int64, since int64) bool {
	group, isGroup := p.groups[name]
	if !isGroup {
		at, isThere := times[name]
		return isThere && at >= since
	}
	threshold, err := strconv.Atoi(group[0])
	must(err)
	count := 0
	for _, member := range group[1:] {
		if p.counts(member, times, since) {
			count++
		}
	}
	return count >= threshold
}

// checkProofs returns the names of the published proofs that x/mod judges otherwise than they say.
func checkProofs(data []byte) []string {
	type proofCase struct {
		Name, Index, Size, Leaf, Root, Size1, Size2, Root1, Root2 string
		Ok                                                        bool
		Proof                                                     []string
	}
	var all struct{ Inclusion, Consistency []proofCase }
	must(json.Unmarshal(data, &all))
	other := []string{}
	for _, each := range all.Inclusion {
		named, err := hashes([]string{each.Root, each.Leaf})
		proof, wrong := hashes(each.Proof)
		ok := err == nil && wrong == nil
		ok = ok && tlog.CheckRecord(proof, number(each.Size), named[0], number(each.Index), named[1]) == nil
		if ok != each.Ok {
			other = append(other, each.Name)
		}
	}
	for _, each := range all.Consistency {
		named, err := hashes([]string{each.Root1, each.Root2})
		proof, wrong := hashes(each.Proof)
		ok := err == nil && wrong == nil
		ok = ok && tlog.CheckTree(proof, number(each.Size2), named[1], number(each.Size1), named[0]) == nil
		if ok != each.Ok {
			other = append(other, each.Name)
		}
	}
	return other
}
