#!/usr/bin/env perl
# The same requests to varved and to Apache Kafka: what they answer differs only where
# t/data/talk/differences.txt says so, and server/README.md says the same.
#   905-diff.t                        starts varved; what Kafka said was recorded
#   VARVE_LONG=1 905-diff.t           starts both
#   905-diff.t VARVED KAFKA           compares what t/talk printed of each before
#   VARVE_UPDATE=1 905-diff.t         writes the section of server/README.md anew; in the long form also
#                                     the recording, if it finds no difference that isn't meant
use strict;
use warnings;
use Digest::SHA;
use IO::Compress::Gzip qw(gzip $GzipError);
use IO::Uncompress::Gunzip qw(gunzip $GunzipError);
use JSON::PP;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;

my $builddir = $ENV{builddir} // '.';
my $srcdir = $ENV{srcdir} // '.';
my $data = "$srcdir/t/data/talk";

# ---- what is left out of the comparison, and why

# Texts for humans, times of day, addresses, sizes of disks.
my %ignored = map { $_ => 1 } qw(throttleTimeMs errorMessage batchIndexErrorMessage
    topicConfigErrorMessage host port clusterId logDir totalBytes usableBytes documentation
    lastTimestamp clientHost finalizedFeaturesEpoch);

# Ids and times that each broker draws itself: only whether there is one.
my %drawn = map { $_ => 1 } qw(sessionId producerId logAppendTimeMs);

# Elements of arrays are told apart by these: their order is free, as in Kafka, where it comes from
# hash tables.
my @names = qw(name topic topicName groupId group resourceName partitionIndex index partition apiKey
    brokerId nodeId memberId);

# ---- answers

# {scenario, version, line, occurrence} => {api, path => value}; values of ids that a script keeps
# are their names.
sub answers {
    my ($file) = @_;
    my (%all, @run, $where, $title, $last, $own);
    my $json = JSON::PP->new->allow_nonref;

    my $flush = sub {
        my %keep = map { ($_->[2] => "\$$_->[1]") }
            grep { $_->[0] eq 'keep' && length $_->[2] > 3 } @run;
        for (@run) {
            my ($kind, @f) = @$_;
            if ($kind eq 'answer') {
                my ($line, $conn, $api, $version, $text) = @f;
                my $id = "$where line $line";
                $id .= ' again' while $all{$id};
                my $v = eval { $json->decode($text) } // "not JSON: $text";
                $last = $all{$id} = { api => "$api $version", title => $title, of => {} };
                flatten($last->{of}, '', $v, { ids => \%keep, own => $own });
            } elsif ($kind eq 'records') {
                my $k = grep { /^records/ } keys %{ $last->{of} };
                $f[0] =~ s/max_ts=1[6-9]\d{11}(?<!1700\d{9})/max_ts=now/g if $f[0] =~ /attrs=\d*[89]/;
                $last->{of}{"records[$k]"} = $f[0];
            }
        }
        @run = ();
    };
    open my $in, '<', $file or die "$file: $!";
    while (<$in>) {
        chomp;
        my @f = split /\t/, $_, -1;
        if ($f[0] eq 'run') {
            $flush->() if @run;
            $title = $f[1];
            $own = $f[4];
            $where = "$f[1] ($f[2] $f[3])";
        } else {
            push @run, \@f;
        }
    }
    $flush->();
    return \%all;
}

sub label {
    my ($v, $i) = @_;
    return $i if ref $v ne 'HASH';
    for (@names) {
        return $v->{$_} eq '' ? '""' : $v->{$_} if defined $v->{$_} && !ref $v->{$_};
    }
    return $i;
}

# An id that was drawn, by what is in front of it; names of this section alone as in the script;
# where the data is.
sub plain {
    my ($v, $own) = @_;
    return 'an id' if $v =~ /^[\w-]{22}$/ && $v ne 'A' x 22;
    $v =~ s/$own(?!\d)/\$u/g;
    $v =~ s{^/.*/data$}{a directory};
    return $v =~ s/-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/-drawn/r;
}

sub flatten {
    my ($to, $path, $v, $keep) = @_;
    if (ref $v eq 'HASH') {
        $to->{$path} = '{}';
        for (sort keys %$v) {
            next if $ignored{$_};
            my $x = $v->{$_};
            $x = 'drawn' if $drawn{$_} && defined $x && $x > 0;
            $x = '""' if defined $x && !ref $x && $x eq '';
            flatten($to, $path eq '' ? $_ : "$path.$_", $x, $keep);
        }
    } elsif (ref $v eq 'ARRAY') {
        my %seen;
        $to->{$path} = '[]';
        for my $i (0 .. $#$v) {
            my $label = label($v->[$i], $i);
            next if $label =~ /(u\d+-\d+)$/ && $1 ne $keep->{own}; # what other scripts left
            $label = $keep->{ids}{$label} // plain($label, $keep->{own});
            $label .= '#' . $seen{$label} if $seen{$label}++;
            flatten($to, "$path\[$label]", $v->[$i], $keep);
        }
    } else {
        $v = !defined $v ? 'null' : ref $v ? ($v ? 'true' : 'false') : $v;
        $to->{$path} = $keep->{ids}{$v} // plain($v, $keep->{own});
    }
}

# ---- differences that are meant

# Blocks, with an empty line between: a name; sentences, and after a line "=" regular expressions:
# SCENARIO | API and version | path | what varved says | what Kafka says
sub meant {
    my @all;
    local $/ = '';
    open my $in, '<', "$data/differences.txt" or die "differences.txt: $!";
    while (<$in>) {
        next if /^#/;
        my ($name, $rest) = /^(\S+)\n(.*)/s or die "differences.txt: $_";
        my ($text, $rules) = split /^=\n/m, $rest;
        chomp $text;
        my @rules;
        for (split /\n/, $rules // '') {
            next if !/\S/;
            my @re = map { s/^\s+|\s+$//gr } split / \| /, $_;
            die "differences.txt: $_: five fields\n" if @re != 5;
            @re = map { $_ eq '*' ? qr/.*/s : qr/^(?:$_)$/s } @re;
            push @rules, { used => 0, line => $_, re => \@re };
        }
        push @all, { name => $name, text => $text, rules => \@rules };
    }
    return @all;
}

sub is_meant {
    my ($meant, @what) = @_;
    for my $m (@$meant) {
        RULE: for my $r (@{ $m->{rules} }) {
            for my $i (0 .. 4) {
                next RULE if $what[$i] !~ $r->{re}[$i];
            }
            $r->{used}++;
            return 1;
        }
    }
    return 0;
}

sub compare {
    my ($meant, $ours, $theirs) = @_;
    my (@odd, $same);
    my %ids = map { $_ => 1 } keys %$ours, keys %$theirs;
    for my $id (sort keys %ids) {
        my ($o, $t) = ($ours->{$id}, $theirs->{$id});
        my $any = $o // $t;
        my %paths = map { $_ => 1 } keys %{ $o->{of} // {} }, keys %{ $t->{of} // {} };
        my ($gone, @other);
        # of what has another error only that is told
        for (grep { /(^|\.)errorCode$/ } keys %paths) {
            push @other, s/errorCode$//r
                if ($o->{of}{$_} // 'absent') ne ($t->{of}{$_} // 'absent');
        }
        for my $path (sort keys %paths) {
            my $a = $o->{of}{$path} // 'absent';
            my $b = $t->{of}{$path} // 'absent';
            if ($a eq $b) {
                $same++;
            } elsif (defined $gone && index($path, $gone) == 0) {
                next; # as what it is in
            } elsif ($path !~ /errorCode$/ && grep { index($path, $_) == 0 } @other) {
                next;
            } else {
                $gone = "$a $b" =~ /absent/ && "$a $b" =~ /\{\}/ ? $path : undef;
                push @odd, "$id $any->{api}: $path: varved $a, Kafka $b"
                    if !is_meant($meant, $any->{title}, $any->{api}, $path, $a, $b);
            }
        }
    }
    return ($same // 0, scalar keys %ids, @odd);
}

# ---- server/README.md

my $begin = "## Differences from Kafka\n";

sub section {
    my (@meant) = @_;
    my $s = "$begin\nKept in `t/data/talk/differences.txt`, of which this section is made; "
        . "`t/905-diff.t` compares with what Kafka\nsaid once, and in `make check-long` with one that runs.\n\n";
    $s .= '- ' . $_->{text} =~ s/\n/\n  /gr . "\n" for @meant;
    return "$s\n";
}

sub check_readme {
    my (@meant) = @_;
    my $file = "$srcdir/server/README.md";
    open my $in, '<', $file or die "$file: $!";
    my $readme = do { local $/; <$in> };
    my $want = section(@meant);
    my $is = $readme =~ /^(\Q$begin\E.*?)(?=^## |\z)/ms ? $1 : '';
    if (($ENV{VARVE_UPDATE} // '') eq '1') {
        $readme = $is ne '' ? $readme =~ s/\Q$is\E/$want/r : $readme . "\n$want";
        open my $out, '>', $file or die "$file: $!";
        print $out $readme;
        $is = $want;
    }
    ok($is eq $want, 'server/README.md lists the differences from Kafka')
        or diag('VARVE_UPDATE=1 t/905-diff.t writes the section');
}

# ---- the two brokers

# Of both.  The scripts' records are years old.
my @options = qw(group.initial.rebalance.delay.ms=0 log.retention.ms=-1);

sub talk {
    my ($address, $to) = @_;
    my ($host, $port) = split /:/, $address;
    my ($said, $code) = run(undef, "$builddir/t/talk", $host, $port, sort glob "$data/*.talk");
    open my $out, '>', $to or die "$to: $!";
    print $out $said;
    close $out or die "$to: $!";
    is($code, 0, "all scripts were played to $address");
}

sub with_varved {
    my $v = Varved->new(options => ['node.id=1', 'max.connections.per.ip.rate=100000', @options]);
    my $said = $v->dir . '/talk';
    $v->restart;
    talk($v->address, $said);
    $v->stop;
    return $said;
}

sub with_kafka {
    local $ENV{KAFKA_HEAP_OPTS} = '-Xms256m -Xmx512m';
    my $kafka = Varved->new(options => \@options);
    my $said = $kafka->dir . '/talk';
    $kafka->start_kafka;
    talk($kafka->address, $said);
    return $said;
}

# ---- Kafka's answers as they were recorded: what the scripts were, then an answer in each line

my $recording = "$data/kafka.json.gz";
my $json = JSON::PP->new->canonical;

sub scripts_sum {
    my $sum = Digest::SHA->new(256);
    $sum->addfile($_) for sort glob "$data/*.talk";
    return $sum->hexdigest;
}

sub record {
    my ($answers) = @_;
    my $text = scripts_sum() . "\n";
    $text .= $json->encode([$_, $answers->{$_}]) . "\n" for sort keys %$answers;
    gzip(\$text => $recording, -Level => 9, -Minimal => 1) or die "$recording: $GzipError\n";
}

sub recorded {
    gunzip($recording => \my $text) or die "$recording: $GunzipError\n";
    my ($sum, @lines) = split /\n/, $text;
    is($sum, scripts_sum(), 'the recording is of these scripts')
        or diag('VARVE_UPDATE=1 VARVE_LONG=1 t/905-diff.t records anew');
    return { map { @{ $json->decode($_) } } @lines };
}

# ---- the test

peer('kafka-broker/bin/start') if long_run() && !@ARGV;
my @meant = meant();
check_readme(@meant);
my $ours = answers(@ARGV ? $ARGV[0] : with_varved());
my $theirs = @ARGV ? answers($ARGV[1]) : long_run() ? answers(with_kafka()) : recorded();
my ($same, $answers, @odd) = compare(\@meant, $ours, $theirs);
cmp_ok($same, '>', 1000, "$answers answers; so many of their values are Kafka's");
ok(!@odd, 'they differ only where differences.txt says so') or diag(join("\n", @odd));
my @idle = map { $_->{line} } grep { !$_->{used} } map { @{ $_->{rules} } } @meant;
ok(!@idle, 'every difference on the list is there') or diag(join("\n", @idle));
record($theirs) if long_run() && !@ARGV && !@odd && !@idle && ($ENV{VARVE_UPDATE} // '') eq '1';
done_testing();
