#!/usr/bin/perl
# Every message in every version, as Kafka's own encoders wrote it (t/data/wire): our decoder
# finds in it what Kafka's does, our encoder writes the same bytes again, and no end of it that is
# missing goes unnoticed.  The same with what clients and Kafka really said to each other.
use strict;
use warnings;
use JSON::PP;
use IPC::Open2;

my $top = $ENV{srcdir} // '.';
my $tool = ($ENV{builddir} // '.') . '/t/wiredump';
my $json = JSON::PP->new->canonical->allow_nonref;
my (%names, @lines);

open my $apis, '<', "$top/server/wire/apis.def" or die "apis.def: $!";
while (<$apis>) {
    $names{$1} = [$2, $3, $4] if /^VRV_API\((\d+), \w+, (\w+), (\d+), (\d+)/ && $1 < 20001; # not ours
}
open my $in, '<', "$top/t/data/wire/golden.txt" or die "golden.txt: $!";
while (<$in>) {
    push @lines, [$1, $2, $3, $4, $5] if /^(\d+) (\d+) (\w+) (\w*) (.*)/;
}

# What the tool says of these messages.
sub dump_all {
    my $pid = open2(my $out, my $to, $tool);
    if (!fork) {
        print $to "$_\n" for @_;
        exit 0;
    }
    close $to;
    my @got = <$out>;
    chomp @got;
    waitpid $pid, 0;
    return @got;
}

my $n = 0;
sub ok {
    my ($ok, $what, @notes) = @_;
    $n++;
    print $ok ? "ok $n - $what\n" : "not ok $n - $what\n";
    print "# $_\n" for $ok ? () : @notes;
    return $ok;
}

my (%seen, %bad);
my @got = dump_all(map { "@$_[0..3]" } @lines);
for my $i (0 .. $#lines) {
    my ($key, $version, $kind, $hex, $want) = @{ $lines[$i] };
    my ($again, $found) = $got[$i] =~ /^([0-9a-f]*) (.*)/ ? ($1, $2) : ('', 'null');
    my $id = "$key $kind";
    $seen{$id}{$version}++;
    $want = $json->encode(decode_json($want));
    $found = eval { $json->encode(decode_json($found)) } // "not JSON: $found";
    next if $again eq $hex && $found eq $want;
    $bad{$id} //= ["version $version", "line $got[$i]", "want $hex $want", "got  $again $found"];
}
for my $key (sort { $a <=> $b } keys %names) {
    my ($name, $first, $last) = @{ $names{$key} };
    for my $kind (qw(request response)) {
        my $versions = join ' ', sort { $a <=> $b } keys %{ $seen{"$key $kind"} };
        ok($versions eq join(' ', $first .. $last), "$name $kind: a message of each version",
            "has: $versions");
        ok(!$bad{"$key $kind"}, "... is read and written as Kafka does",
            @{ $bad{"$key $kind"} // [] });
    }
}

# What was recorded between clients and a broker.
my (@recorded, %clients);
open $in, '<', "$top/t/data/wire/recorded.txt" or die "recorded.txt: $!";
while (<$in>) {
    my ($key, $version, $kind, $client, $hex) = /^(\d+) (\d+) (\w+) (\S+) (\w*)$/ or die "line $.";
    push @recorded, [$key, $version, $kind, $hex];
    push @{ $clients{$client} }, $#recorded;
}
@got = dump_all(map { "@$_" } @recorded);
for my $client (sort keys %clients) {
    my @wrong = grep { $got[$_] !~ /^\Q$recorded[$_][3]\E / } @{ $clients{$client} };
    ok(!@wrong, scalar(@{ $clients{$client} }) . " messages of $client and Kafka are read and written",
        map { "@{ $recorded[$_] }: $got[$_]" } @wrong);
}

# Cut off anywhere it is refused, but where only tagged fields that say nothing would be missing.
my @cut;
for (grep { length $_->[3] < 600 } @lines) {
    my ($key, $version, $kind, $hex) = @$_;
    push @cut, "$key $version $kind " . substr($hex, 0, 2 * $_) for 0 .. length($hex) / 2 - 1;
}
my @taken = grep { !/^!/ } dump_all(@cut);
ok(@cut > 10000 && !@taken, scalar(@cut) . " messages that end early are all refused", @taken);
print "1..$n\n";
